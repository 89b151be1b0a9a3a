"""What the portals hold: generated once, the same each time, and taken from any folder of transaction bundles."""

import json

import pytest
from django.core.management import call_command

from portals.sandbox import holdings
from portals.sandbox.prepare import resources_of

BUNDLE = """{
  "resourceType": "Bundle", "type": "transaction",
  "entry": [
    {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient", "id": "ada", "name": [{"family": "L\\u00f6w"}]}},
    {"fullUrl": "urn:uuid:o", "resource": {"resourceType": "Observation", "status": "final",
      "subject": {"reference": "urn:uuid:p"}, "performer": [{"reference": "Practitioner?identifier=npi|7"}],
      "valueQuantity": { "value" : 1.500 }, "derivedFrom": [{"reference": "urn:uuid:not-here"}]}},
    {"fullUrl": "urn:uuid:d", "resource": {"resourceType": "Practitioner", "id": "doc",
      "identifier": [{"system": "npi", "value": "7"}]}},
    {"resource": {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/ada"},
      "meta": {"lastUpdated": "2019-12-12T09:14:11+00:00", "profile": ["x"]}}}
  ]
}"""


@pytest.fixture
def made():
    return dict(resources_of(BUNDLE.encode()))


def test_references_by_uuid_and_by_identifier_become_type_and_id(made):
    body = json.loads(made["Observation/o"])
    assert body["subject"]["reference"] == "Patient/ada"
    assert body["performer"][0]["reference"] == "Practitioner/doc"


def test_a_reference_to_nothing_in_the_bundle_stays(made):
    assert json.loads(made["Observation/o"])["derivedFrom"][0]["reference"] == "urn:uuid:not-here"


def test_a_resource_without_an_id_takes_its_entrys(made):
    assert json.loads(made["Observation/o"])["id"] == "o"


def test_numbers_and_escapes_stay_as_they_were_written(made):
    assert b'"value":1.500' in made["Observation/o"]
    assert b"L\\u00f6w" in made["Patient/ada"]


def test_an_update_time_of_its_own_is_kept_and_a_missing_one_is_always_the_same(made):
    assert json.loads(made["Condition/c"])["meta"] == {
        "versionId": "1",
        "lastUpdated": "2019-12-12T09:14:11+00:00",
        "profile": ["x"],
    }
    assert made == dict(resources_of(BUNDLE.encode()))
    assert json.loads(made["Patient/ada"])["meta"]["lastUpdated"].startswith("2026-01-")


def test_making_the_data_again_does_nothing(prepared, capsys):
    before = (prepared / "holdings.ndjson").stat().st_mtime_ns
    call_command("sandbox_data")
    assert "already prepared" in capsys.readouterr().out
    assert (prepared / "holdings.ndjson").stat().st_mtime_ns == before


def test_any_folder_of_bundles_can_be_served_instead(settings, tmp_path, connected):
    (tmp_path / "bundles" / "deeper").mkdir(parents=True)
    (tmp_path / "bundles" / "deeper" / "ada.json").write_text(BUNDLE)
    settings.SANDBOX_BUNDLES = str(tmp_path / "bundles")
    settings.SANDBOX_DATA_DIR = str(tmp_path / "data")
    app = connected(username="ada")
    assert app.patient == "ada"
    assert app.ids("Observation") == ["o"]
    assert [person.id for person in holdings.current().patients] == ["ada", "doe-john", *FAMILY]


FAMILY = ["rivera-marisol", "rivera-agustin", "rivera-zoe"]


def test_a_folder_that_changes_is_read_again_by_the_running_server(settings, tmp_path):
    (tmp_path / "bundles").mkdir()
    settings.SANDBOX_BUNDLES = str(tmp_path / "bundles")
    settings.SANDBOX_DATA_DIR = str(tmp_path / "data")
    assert holdings.current().get("Patient", "ada") is None
    (tmp_path / "bundles" / "ada.json").write_text(BUNDLE)
    call_command("sandbox_data", verbosity=0)
    assert holdings.current().get("Patient", "ada")


def test_the_demos_patients_have_records_of_many_kinds(prepared):
    held = holdings.current()
    generated = [each for each in held.patients if each.id not in {*FAMILY, "doe-john"}]
    assert len(generated) == 3
    for patient in generated:
        types = {resource.type for resource in held.compartment(patient.id)}
        assert len(types) >= 20
        assert {"Binary", "Provenance", "DocumentReference", "Observation", "Goal"} <= types


def test_every_resource_of_a_patient_is_somebodys(prepared):
    held = holdings.current()
    nobodys = {each.type for each in held.by_reference.values() if each.patient is None}
    assert nobodys <= {"Organization", "Practitioner", "PractitionerRole", "Location", "Medication"}
