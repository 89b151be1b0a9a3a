"""The pull cases of smart-fhir.md 7.6 about what the answers hold; each test bears its case's name."""

import base64
import gzip

import pytest

from connect.audit.models import Entry
from pulls.models import Record, Reference, Unreadable
from tests.portals.portal_double import Answer, PortalDouble
from tests.pulls.reading import items_of, records_of
from tests.pulls.scripted import bundle, fhir, observation

pytestmark = pytest.mark.django_db


def raw_of(api, type_: str) -> str:
    """The body of `GET /records` as text."""
    return api.get("/patients/p-1/records", {"type": type_}).content.decode()


def search_of(pull, type_: str = "Observation"):
    return pull.searches.get(resource_type=type_)


def test_pull_gzip_bomb(portal, connected, pull):
    bomb = gzip.compress(b"[" * (64 * 1024 * 1024), 9)
    answer = Answer(200, body=bomb, headers={"Content-Type": "application/fhir+json", "Content-Encoding": "gzip"})
    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    assert (done.status, search_of(done).error) == ("partial", "too_large")


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_pull_deep_json(api, portal, connected, pull, depth):
    deep = '{"resourceType":"Observation","id":"deep","extension":' + "[" * depth + "]" * depth + "}"
    portal.on("/fhir/Observation", fhir(bundle(observation("o-1"), deep)))
    done = pull(connected())
    assert "Observation/o-1" in {
        f"{row.resource_type}/{row.resource_id}" for row in Record.objects.filter(resource_type="Observation")
    }
    assert done.status in ("completed", "partial")


def test_pull_invalid_resource_kept(api, portal, connected, pull):
    """`effectivePeriod.stop` is no FHIR; it is what the portal has."""
    portal.holds("Observation", observation("odd", effectivePeriod={"start": "2020", "stop": "2021"}))
    assert pull(connected()).status == "completed"
    assert records_of(api)["Observation/odd"]["effectivePeriod"] == {"start": "2020", "stop": "2021"}


DECIMALS = ["1.50", "1.00", "1E-7", "0.1234567890123456789", "12345678901234567890", "-0.0", "1e400"]


def test_pull_decimal_exact(api, portal, connected, pull):
    resources = [
        f'{{"resourceType":"Observation","id":"d-{n}","valueQuantity":{{"value":{value}}}}}'
        for n, value in enumerate(DECIMALS)
    ]
    portal.on("/fhir/Observation", fhir(bundle(*resources)))
    pull(connected())
    for value in DECIMALS:
        assert f'"value":{value}}}' in raw_of(api, "Observation")


def test_pull_unicode(api, portal, connected, pull):
    text = "Agustín Fonseca e\u0301 👩🏽\u200d⚕️ \u0000 end"
    written = '{"resourceType":"Observation","id":"u","note":"%s"}'
    portal.on("/fhir/Observation", fhir(bundle(written % "Agustín Fonseca e\u0301 👩🏽\u200d⚕️ \\u0000 end")))
    assert pull(connected()).status == "completed"
    assert records_of(api)["Observation/u"]["note"] == text


def test_pull_wrong_patient_resource(api, portal, connected, pull):
    """Another patient's resource is not stored under this one, and the audit log tells of it."""
    portal.holds("Observation", observation("mine"), observation("theirs", patient="pat-2"))
    portal.holds("Condition", {"resourceType": "Patient", "id": "pat-2"})
    pull(connected())
    assert records_of(api).keys() == {"Patient/pat-1", "Observation/mine"}
    assert sum(entry.detail["count"] for entry in Entry.objects.filter(action="pull.other_patient_refused")) == 2


def test_pull_contained_and_references(api, portal, connected, pull):
    """Contained resources stay where they are; ours are followed, absolute or not; foreign ones stay text."""
    with PortalDouble() as foreign:
        portal.holds("Observation", observation(
            "o-1", contained=[{"resourceType": "Practitioner", "id": "inside"}],
            performer=[{"reference": "#inside"}, {"reference": f"{portal.base}/Practitioner/dr-1"},
                       {"reference": f"{foreign.url}/fhir/Practitioner/dr-2"}, {"reference": "urn:uuid:1"}],
        ))  # fmt: skip
        portal.on("/fhir/Practitioner/dr-1", fhir({"resourceType": "Practitioner", "id": "dr-1"}))
        done = pull(connected())
        assert foreign.requests == []
    assert done.status == "completed"
    assert records_of(api).keys() == {"Patient/pat-1", "Observation/o-1", "Practitioner/dr-1"}
    assert len(records_of(api)["Observation/o-1"]["contained"]) == 1


def document(url: str, id_: str = "d-1") -> dict:
    attachment = {"contentType": "application/pdf", "url": url}
    return {"resourceType": "DocumentReference", "id": id_, "subject": {"reference": "Patient/pat-1"},
            "content": [{"attachment": attachment}]}  # fmt: skip


def test_pull_binary_nonjson(api, portal, connected, pull):
    """A PDF becomes the Binary it is the content of; object storage is asked without our token."""
    with PortalDouble() as storage:
        storage.on("/signed/2", Answer(200, body=b"from storage", headers={"Content-Type": "application/pdf"}))
        portal.holds("DocumentReference", document("Binary/b-1"), document(f"{portal.base}/Binary/b-2", "d-2"))
        portal.on("/fhir/Binary/b-1", Answer(200, body=b"%PDF-1.7", headers={"Content-Type": "application/pdf"}))
        portal.on("/fhir/Binary/b-2", Answer(302, headers={"Location": f"{storage.url}/signed/2"}))
        assert pull(connected()).status == "completed"
        assert [request.headers.get("authorization") for request in storage.requests] == [None]
    records = records_of(api)
    assert records["Binary/b-1"]["contentType"] == "application/pdf"
    assert base64.b64decode(records["Binary/b-1"]["data"]) == b"%PDF-1.7"
    assert base64.b64decode(records["Binary/b-2"]["data"]) == b"from storage"


def test_documents_on_other_hosts_are_never_asked_for_with_the_token(api, portal, connected, pull):
    with PortalDouble() as elsewhere:
        portal.holds("DocumentReference", document(f"{elsewhere.url}/letters/1"))
        done = pull(connected())
        assert elsewhere.requests == []
    lacking = api.get(f"/pulls/{done.pk}/manifest").json()["documents"]["lacking"]
    assert [(each["status"], each["reason"]) for each in lacking] == [("skipped", "other_host")]


def test_pull_entered_in_error(api, portal, connected, pull):
    portal.holds("Observation", observation("o-1", status="final"))
    connection = connected()
    pull(connection)
    portal.holds("Observation", observation("o-1", status="entered-in-error"))
    pull(connection)
    (item,) = items_of(api, type="Observation", changes="true")
    assert (item["change"], item["resource"]["status"]) == ("changed", "entered-in-error")


def test_pull_deleted_upstream(api, portal, connected, pull):
    """Absent from a complete answer: told as gone, not deleted; back again, it is told as changed."""
    portal.holds("Observation", observation("o-1"), observation("o-2"))
    connection = connected()
    pull(connection)
    portal.holds("Observation", observation("o-1"))
    done = pull(connection)
    assert done.total == 1
    changes = {item["resource"]["id"]: item["change"] for item in items_of(api, type="Observation", changes="true")}
    assert changes == {"o-1": "new", "o-2": "gone"}
    assert "Observation/o-2" not in records_of(api)
    portal.holds("Observation", observation("o-1"), observation("o-2"))
    assert pull(connection).total == 1
    assert "Observation/o-2" in records_of(api)


@pytest.mark.parametrize("answer", [Answer(403), Answer(500), fhir('{"resourceType":"Bund')])
def test_what_could_not_be_asked_is_not_gone(api, portal, connected, pull, answer):
    portal.holds("Observation", observation("o-1"))
    connection = connected()
    pull(connection)
    portal.on("/fhir/Observation", answer)
    assert pull(connection).status == "partial"
    assert "Observation/o-1" in records_of(api)


def test_pull_twice_idempotent(portal, connected, pull):
    portal.holds("Observation", *[observation(f"o-{n}") for n in range(50)])
    connection = connected()
    assert pull(connection).total == 51
    before = list(Record.objects.values_list("pk", "position", "landed_at"))
    again = pull(connection)
    assert (again.total, search_of(again).unchanged) == (0, 50)
    assert list(Record.objects.values_list("pk", "position", "landed_at")) == before


def test_one_bad_resource_costs_no_other(api, portal, connected, pull):
    bad = ['{"resourceType":"Observation"}', '{"id":"x"}', '{"resourceType":"Observation","id":"\\u0000"}']
    portal.on("/fhir/Observation", fhir(bundle(observation("o-1"), *bad, observation("o-2"))))
    done = pull(connected())
    assert search_of(done).unreadable == 3
    assert sorted(Unreadable.objects.values_list("page", "place")) == [(1, 1), (1, 2), (1, 3)]
    assert {"Observation/o-1", "Observation/o-2"} < records_of(api).keys()


@pytest.mark.parametrize("id_", ["a" * 64, "A-Z.az-09." * 6, "x~y_z!", "ünïcödé", "a/b?c=d&e#f", " spaced "])
def test_odd_ids_are_kept_as_they_are(api, portal, connected, pull, id_):
    portal.holds("Observation", observation(id_))
    pull(connected())
    assert f"Observation/{id_}" in records_of(api)


def test_an_id_that_comes_twice_in_a_page_is_kept_once_the_last_one_wins(api, portal, connected, pull):
    portal.holds("Observation", observation("o-1", note="first"), observation("o-1", note="last"))
    done = pull(connected())
    assert records_of(api)["Observation/o-1"]["note"] == "last"
    assert done.total == 2


def test_a_document_that_is_too_large_is_skipped_and_named(settings, api, portal, connected, pull):
    settings.DOCUMENT_MAX_BYTES = 1000
    portal.holds("DocumentReference", document("Binary/b-1"))
    portal.on("/fhir/Binary/b-1", Answer(200, body=b"x" * 1001, headers={"Content-Type": "application/pdf"}))
    done = pull(connected())
    (lacking,) = api.get(f"/pulls/{done.pk}/manifest").json()["documents"]["lacking"]
    assert lacking == {"target": "Binary/b-1", "status": "skipped", "reason": "too_large"}
    assert done.status == "completed"
    assert Reference.objects.get().status == "skipped"


def test_bodies_at_rest_are_sealed(portal, connected, pull):
    portal.holds("Observation", observation("o-1", note="tell nobody"))
    pull(connected())
    assert all(b"tell nobody" not in bytes(body) for body in Record.objects.values_list("body", flat=True))


def test_what_the_grant_does_not_cover_is_not_asked_for(api, portal, connected, pull):
    portal.holds("Observation", observation("o-1", performer=[{"reference": "Practitioner/dr-1"}]))
    done = pull(connected(scopes="launch/patient patient/Patient.rs patient/Observation.rs"))
    assert portal.to("/fhir/Practitioner/dr-1") == []
    (lacking,) = api.get(f"/pulls/{done.pk}/manifest").json()["references"]["lacking"]
    assert lacking == {"target": "Practitioner/dr-1", "status": "skipped", "reason": "not_granted"}
