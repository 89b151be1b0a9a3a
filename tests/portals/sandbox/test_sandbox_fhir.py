"""The FHIR server: what a token may see, searches and their pages, documents, and bytes that never change."""

import base64
import json
import re

import pytest

COUNTED = ("Observation", "Condition", "Encounter", "Immunization", "DocumentReference", "Procedure")


def codes(answer) -> list[str]:
    return [issue["code"] for issue in answer.json()["issue"]]


@pytest.fixture
def plain(connected):
    return connected()


@pytest.fixture
def parent(connected):
    """Marisol's own record: small, and with one of everything odd."""
    return connected(username="parent")


def test_smart_configuration_has_what_smart_2_2_asks_for(app):
    plain = app()
    told = plain.http.get(f"{plain.fhir}/.well-known/smart-configuration").json()
    assert told["issuer"] == plain.fhir
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    for name in ("authorization", "token", "revocation", "introspection", "registration", "management"):
        assert told[f"{name}_endpoint"].startswith(f"{plain.base}/")
    assert {"launch-standalone", "permission-v2", "sso-openid-connect", "permission-offline"} <= set(
        told["capabilities"]
    )
    assert plain.http.get(told["jwks_uri"]).json()["keys"]


def test_the_capability_statement_points_to_oauth_and_lists_what_is_there(app):
    plain = app()
    statement = plain.http.get(f"{plain.fhir}/metadata").json()
    rest = statement["rest"][0]
    uris = {each["url"]: each["valueUri"] for each in rest["security"]["extension"][0]["extension"]}
    assert uris["token"] == f"{plain.base}/token"
    offered = {each["type"]: each for each in rest["resource"]}
    searchable = {each["name"] for each in offered["Observation"]["searchParam"]}
    assert {"patient", "category", "code", "date", "status", "_lastUpdated", "_id"} <= searchable
    assert offered["Patient"]["operation"][0]["name"] == "everything"


def test_nothing_is_said_without_a_token(app):
    plain = app()
    answer = plain.http.get(f"{plain.fhir}/Patient/rivera-zoe")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_refresh_token_does_not_read(plain):
    assert plain.get(f"Patient/{plain.patient}", token=plain.tokens["refresh_token"]).status_code == 401


@pytest.mark.parametrize(
    "address", ["Patient/rivera-zoe", "Observation/rivera-agustin-height", "Binary/rivera-zoe-growth-letter-file"]
)
def test_another_patients_resources_are_not_there(plain, address):
    assert plain.get(address).status_code == 404


@pytest.mark.parametrize(
    "value", ["rivera-zoe", "Patient/rivera-zoe", "http://testserver/sandbox/plain/fhir/Patient/rivera-zoe"]
)
def test_another_patients_records_cannot_be_searched(plain, value):
    answer = plain.get("Observation", {"patient": value})
    assert answer.status_code == 403
    assert codes(answer) == ["forbidden"]


def test_a_search_that_names_no_patient_is_of_the_tokens_own(parent):
    own = parent.ids("Observation")
    assert own == parent.ids("Observation", {"patient": "rivera-marisol"})
    assert own == parent.ids("Observation", {"subject": "Patient/rivera-marisol"})
    assert own


def test_the_parents_grant_for_one_child_shows_nothing_of_the_other(connected):
    child = connected(username="parent", patient="rivera-agustin")
    for page in child.pages(f"Patient/{child.patient}/$everything"):
        for each in page.json()["entry"]:
            assert "rivera-zoe" not in json.dumps(each["resource"])
            assert "Patient/rivera-marisol" not in json.dumps(each["resource"])


@pytest.mark.parametrize("scope", ["patient/Observation.rs", "patient/Observation.read", "patient/Observation.cruds"])
def test_a_scope_lets_its_type_through_and_no_other(connected, scope):
    plain = connected(scope=f"launch/patient {scope}")
    assert plain.get("Observation").status_code == 200
    answer = plain.get("Condition")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer["WWW-Authenticate"]


def test_reading_and_searching_are_two_permissions(connected):
    reads = connected(scope="launch/patient patient/Patient.r")
    assert reads.get(f"Patient/{reads.patient}").status_code == 200
    assert reads.get("Patient").status_code == 403
    searches = connected(scope="launch/patient patient/Patient.s")
    assert searches.get(f"Patient/{searches.patient}").status_code == 403
    assert searches.get("Patient").json()["total"] == 1


def test_a_granular_scope_lets_only_its_category_through(connected):
    category = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
    narrow = connected("plain", "parent", scope=f"launch/patient patient/Observation.rs?category={category}")
    assert narrow.ids("Observation") == ["rivera-marisol-weight"]
    assert narrow.get("Observation/rivera-marisol-weight").status_code == 200
    assert narrow.get("Observation/rivera-marisol-hba1c").status_code == 404


@pytest.mark.parametrize("type_", COUNTED)
@pytest.mark.parametrize("count", [7, 100])
def test_the_pages_of_a_search_add_up_to_its_total_and_to_what_is_held(plain, type_, count):
    found, totals = [], set()
    for page in plain.pages(type_, {"patient": plain.patient, "_count": count}):
        bundle = page.json()
        totals.add(bundle["total"])
        found += [entry["resource"]["id"] for entry in bundle.get("entry", ())]
        assert len(bundle.get("entry", ())) <= count
    held = [json.loads(line) for line in plain.holdings()]
    assert found == [each["id"] for each in held if each["resourceType"] == type_]
    assert totals == {len(found)}
    assert len(set(found)) == len(found)


def test_a_page_is_the_same_bytes_each_time(plain):
    first = [page.content for page in plain.pages("Observation", {"_count": 100})]
    again = [page.content for page in plain.pages("Observation", {"_count": 100})]
    assert first == again


def test_a_resource_has_the_same_bytes_read_searched_and_held(plain):
    held = {(each["resourceType"], each["id"]): line for line in plain.holdings() for each in [json.loads(line)]}
    page = plain.get("Observation", {"_count": 20})
    for entry in page.json()["entry"]:
        body = held["Observation", entry["resource"]["id"]]
        assert body in page.content
        assert plain.get(f"Observation/{entry['resource']['id']}").content == body


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("creatinine", "1.00"),
        ("potassium", "4.50"),
        ("troponin", "1E-7"),
        ("viral-load", "12345678901234567.89"),
        ("lactate", "0.30000000000000004"),
    ],
)
def test_numbers_keep_their_digits(plain, name, digits):
    body = plain.get(f"Observation/{plain.patient}-{name}").content
    assert f'"value":{digits},'.encode() in body


def test_every_resource_has_a_version_and_an_update_time(plain):
    for line in plain.holdings():
        meta = json.loads(line)["meta"]
        assert meta["versionId"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", meta["lastUpdated"])


def test_a_read_names_its_version(plain):
    assert plain.get(f"Patient/{plain.patient}")["ETag"] == 'W/"1"'


def test_an_id_may_be_64_characters_and_text_any_script(connected):
    zoe = connected(username="parent", patient="rivera-zoe")
    long = [each for each in zoe.ids("Observation") if len(each) == 64]
    assert zoe.get(f"Observation/{long[0]}").status_code == 200
    agustin = connected(username="parent", patient="rivera-agustin")
    note = agustin.get("Observation/rivera-agustin-note-in-many-scripts").json()["note"][0]["text"]
    assert "Agusti\u0301n" in note
    assert "👩🏽\u200d⚕️" in note


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"code": "4548-4"}, {"rivera-marisol-hba1c"}),
        ({"code": "http://loinc.org|4548-4"}, {"rivera-marisol-hba1c"}),
        ({"code": "http://elsewhere.example|4548-4"}, set()),
        ({"code": "4548-4,29463-7"}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"category": "vital-signs"}, {"rivera-marisol-weight"}),
        ({"category": "vital-signs", "code": "4548-4"}, set()),
        ({"status": "final"}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"status": "amended"}, set()),
        ({"_id": "rivera-marisol-weight"}, {"rivera-marisol-weight"}),
        ({"date": "2025-02-03"}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"date": "2025"}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"date": "gt2025-02-03"}, set()),
        ({"date": "ge2025-02-03T12:00:00Z"}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"date": "ge2025-02-03T15:30:00Z"}, {"rivera-marisol-weight"}),
        ({"date": "lt2025-02-03"}, set()),
        ({"date": ["ge2025-01-01", "le2025-12-31"]}, {"rivera-marisol-hba1c", "rivera-marisol-weight"}),
        ({"date": ["ge2024-01-01", "lt2025-01-01"]}, set()),
    ],
)
def test_token_and_date_parameters_find_what_they_should(parent, params, expected):
    assert set(parent.ids("Observation", params)) == expected


@pytest.mark.parametrize("type_", ["AllergyIntolerance", "Condition"])
def test_clinical_status_is_a_token(parent, type_):
    assert len(parent.ids(type_, {"clinical-status": "active"})) == 1
    assert parent.ids(type_, {"clinical-status": "resolved"}) == []


def test_last_updated_splits_the_record_in_two(plain):
    middle = "2026-01-15T00:00:00Z"
    before = plain.ids("Observation", {"_lastUpdated": f"lt{middle}"})
    after = plain.ids("Observation", {"_lastUpdated": f"ge{middle}"})
    assert before
    assert after
    assert sorted(before + after) == sorted(plain.ids("Observation"))


@pytest.mark.parametrize("params", [{"date": "yesterday"}, {"_count": "many"}, {"_page": "damaged"}, {"code:in": "x"}])
def test_a_search_that_cannot_be_read_is_a_400(plain, params):
    answer = plain.get("Observation", params)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_an_unknown_parameter_is_ignored(parent):
    assert len(parent.ids("Observation", {"colour": "blue"})) == 2


def test_counting_needs_no_entries(plain):
    for params in ({"_summary": "count"}, {"_count": "0"}):
        bundle = plain.get("Observation", params).json()
        assert bundle["total"] == len(plain.ids("Observation"))
        assert "entry" not in bundle
        assert [each["relation"] for each in bundle["link"]] == ["self"]


def test_a_search_may_be_posted(parent):
    headers = {"Authorization": f"Bearer {parent.tokens['access_token']}"}
    answer = parent.http.post(f"{parent.fhir}/Observation/_search", {"code": "4548-4"}, headers=headers)
    assert answer.json()["total"] == 1


def test_medication_and_provenance_come_along_when_asked(parent):
    params = {"_include": "MedicationRequest:medication"}
    entries = parent.get("MedicationRequest", params).json()["entry"]
    assert [(each["search"]["mode"], each["resource"]["resourceType"]) for each in entries] == [
        ("match", "MedicationRequest"),
        ("include", "Medication"),
    ]
    entries = parent.get("Observation", {"_revinclude": "Provenance:target"}).json()["entry"]
    assert [each["resource"]["id"] for each in entries if each["search"]["mode"] == "include"] == [
        "rivera-marisol-provenance"
    ]


def test_nothing_comes_along_that_scopes_do_not_cover(connected):
    narrow = connected(username="parent", scope="launch/patient patient/Observation.rs")
    entries = narrow.get("Observation", {"_revinclude": "Provenance:target"}).json()["entry"]
    assert {each["search"]["mode"] for each in entries} == {"match"}


def test_shared_resources_are_readable_by_their_references(plain):
    for reference in ("Practitioner/sandbox-dr-okonkwo", "Organization/sandbox-hospital", "Location/sandbox-clinic"):
        assert plain.get(reference).json()["id"] == reference.partition("/")[2]


def test_everything_is_everything_but_binaries(plain):
    found = [
        each
        for page in plain.pages(f"Patient/{plain.patient}/$everything", {"_count": 200})
        for each in page.json()["entry"]
    ]
    held = [json.loads(line) for line in plain.holdings()]
    assert {each["fullUrl"] for each in found} == {
        f"{plain.fhir}/{each['resourceType']}/{each['id']}" for each in held if each["resourceType"] != "Binary"
    }


def test_everything_can_be_of_some_types_and_since_a_time(parent):
    address = f"Patient/{parent.patient}/$everything"
    types = {
        each["resource"]["resourceType"] for each in parent.get(address, {"_type": "Patient,Condition"}).json()["entry"]
    }
    assert types == {"Patient", "Condition"}
    assert parent.get(address, {"_since": "2030-01-01T00:00:00Z"}).json()["total"] == 0
    assert parent.get("Patient/rivera-zoe/$everything").status_code == 404


def test_a_document_is_a_file_or_fhir_json_as_accept_says(plain):
    address = f"Binary/{plain.patient}-discharge-summary-file"
    native = plain.get(address, Accept="*/*")
    assert native["Content-Type"] == "application/pdf"
    assert native.content.startswith(b"%PDF-")
    wrapped = plain.get(address, Accept="application/fhir+json").json()
    assert base64.b64decode(wrapped["data"]) == native.content


def test_a_text_document_keeps_its_characters(plain):
    assert (
        "señal normal, naïve T cells 1.50 ×10⁹/L 🙂"
        in plain.get(f"Binary/{plain.patient}-letter-file").content.decode()
    )


@pytest.mark.parametrize("address", ["Nonsense", "nonsense", "Observation/none", "Observation/a/b/c", "Binary", ""])
def test_what_is_not_there_is_an_operation_outcome(plain, address):
    answer = plain.get(address)
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_portals_are_read_only(plain):
    headers = {"Authorization": f"Bearer {plain.tokens['access_token']}"}
    for method in (plain.http.post, plain.http.put, plain.http.delete):
        answer = method(f"{plain.fhir}/Observation", "{}", content_type="application/fhir+json", headers=headers)
        assert answer.status_code == 405
        assert answer["Allow"] == "GET"


def test_a_type_nobody_has_is_an_empty_answer(plain):
    assert plain.get("SupplyDelivery", {"patient": plain.patient}).status_code == 200
    assert plain.ids("CareTeam", {"status": "proposed"}) == []
