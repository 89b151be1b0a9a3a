"""`GET /patients/{id}/records` and `$export` (contract 5): order, cursors both ways, filters, what is whose."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from pulls import run as run_module
from tests.pulls.conftest import make_patient
from tests.pulls.reading import items_of, pages_of, records_of
from tests.pulls.scripted import ScriptedPortal, fhir, observation

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def pulled(portal, connected, pull):
    """A patient with 25 Observations and a Condition."""
    portal.holds("Observation", *[observation(f"o-{n:02}") for n in range(25)])
    portal.holds("Condition", {"resourceType": "Condition", "id": "c-1"})
    connection = connected()
    pull(connection)
    return connection


def ids_of(page: dict) -> list[str]:
    return [item["resource"]["id"] for item in page["data"]]


def test_the_envelope(api, pulled):
    page = api.get("/patients/p-1/records").json()
    assert page.keys() == {
        "resource_type", "data", "has_more", "next_cursor", "previous_cursor", "patient_id",
    }  # fmt: skip
    assert (page["resource_type"], page["patient_id"], page["has_more"]) == ("list", "p-1", False)
    assert len(page["data"]) == 27
    assert all(item.keys() == {"source", "resource"} and item["source"] == pulled.source_id for item in page["data"])


def test_pages_forward_meet_everything_once_oldest_first(api, pulled):
    pages = list(pages_of(api, count=4))
    assert [len(page["data"]) for page in pages] == [4] * 6 + [3]
    met = [id_ for page in pages for id_ in ids_of(page)]
    assert met == [item["resource"]["id"] for item in items_of(api)]
    assert len(set(met)) == 27


def test_pages_backward_meet_the_same_pages(api, pulled):
    pages = list(pages_of(api, count=5))
    page = pages[-1]
    for before in reversed(pages[:-1]):
        page = api.get("/patients/p-1/records", {"count": 5, "ending_before": page["previous_cursor"]}).json()
        assert ids_of(page) == ids_of(before)
    assert page["previous_cursor"] is None


def test_the_last_cursor_kept_sees_only_what_lands_later(api, portal, pull, pulled):
    kept = list(pages_of(api))[-1]["next_cursor"]
    assert api.get("/patients/p-1/records", {"starting_after": kept}).json()["data"] == []
    portal.holds("Observation", observation("o-00", note="changed"), *[observation(f"o-{n:02}") for n in range(1, 26)])
    pull(pulled)
    later = api.get("/patients/p-1/records", {"starting_after": kept}).json()
    assert sorted(ids_of(later)) == ["o-00", "o-25"]


def test_filters(api, portal, connected, pull, pulled):
    assert {item["resource"]["resourceType"] for item in items_of(api, type="Condition,Patient")} == {
        "Condition", "Patient",
    }  # fmt: skip
    assert items_of(api, type="Goal") == []
    assert len(items_of(api, source=pulled.source_id)) == 27
    assert items_of(api, source="fhirsrc_other") == []


def test_since_is_by_when_it_landed_here(api, portal, connected, pull):
    portal.holds("Observation", observation("early"))
    connection = connected()
    with time_machine.travel(NOON, tick=False):
        pull(connection)
    portal.holds("Observation", observation("early"), observation("late"))
    with time_machine.travel(NOON + timedelta(minutes=30), tick=False):
        pull(connection)
    assert ids_of({"data": items_of(api, since="2026-05-01T12:10:00.000Z")}) == ["late"]
    assert items_of(api, since="2026-05-01T12:30:00.000Z") == []


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"count": 0}, "count"),
        ({"count": 101}, "count"),
        ({"type": "observation"}, "type"),
        ({"since": "yesterday"}, "since"),
        ({"starting_after": "nonsense"}, "starting_after"),
        ({"ending_before": "nonsense"}, "ending_before"),
        ({"starting_after": "a", "ending_before": "b"}, "ending_before"),
    ],
)
def test_what_cannot_be_read_is_told(api, patient, parameters, param):
    answer = api.get("/patients/p-1/records", parameters)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_a_cursor_belongs_to_its_filters_and_its_patient(api, tenant, pulled):
    cursor = next(pages_of(api, count=2))["next_cursor"]
    assert api.get("/patients/p-1/records", {"starting_after": cursor, "type": "Condition"}).status_code == 400
    make_patient(tenant, "p-2")
    assert api.get("/patients/p-2/records", {"starting_after": cursor}).status_code == 400


def test_changes_say_what_when_and_by_which_pull(api, pulled):
    (item,) = items_of(api, type="Condition", changes="true")
    pull_id = api.get("/pulls").json()["data"][0]["id"]
    assert item.keys() == {"source", "change", "landed_at", "pull_id", "resource"}
    assert (item["change"], item["pull_id"]) == ("new", pull_id)


def test_every_patient_and_nothing_else_gains_our_identifier(api, portal, connected, pull):
    portal.on("/fhir/Patient/pat-1", fhir(
        '{"resourceType":"Patient","id":"pat-1","identifier":[{"system":"urn:theirs","value":"7"}],"x":1.50}'))  # fmt: skip
    portal.holds("Condition", {"resourceType": "Condition", "id": "c-1"})
    pull(connected())
    records = records_of(api)
    assert records["Patient/pat-1"]["identifier"] == [
        {"system": "urn:theirs", "value": "7"},
        {"system": "urn:medblocks:patient-id", "value": "p-1"},
    ]
    assert '"x":1.50' in api.get("/patients/p-1/records", {"type": "Patient"}).content.decode()
    assert "identifier" not in records["Condition/c-1"]


def test_export_streams_the_same_as_ndjson(api, pulled):
    answer = api.get("/patients/p-1/records/$export")
    assert answer["Content-Type"] == "application/fhir+ndjson"
    lines = b"".join(answer.streaming_content).splitlines()
    assert [json.loads(line) for line in lines] == [item["resource"] for item in items_of(api)]
    some = b"".join(api.get("/patients/p-1/records/$export", {"type": "Condition"}).streaming_content)
    assert [json.loads(line)["id"] for line in some.splitlines()] == ["c-1"]


def test_records_of_several_sources_come_together_each_with_its_source(api, portal, connected, pull):
    portal.holds("Observation", observation("o-1", note="here"))
    first = connected()
    pull(first)
    with ScriptedPortal() as other:
        other.holds("Observation", observation("o-1", note="there"))
        second = connected(portal=other)
        pull(second)
    found = {item["source"]: item["resource"]["note"] for item in items_of(api, type="Observation")}
    assert found == {first.source_id: "here", second.source_id: "there"}


@pytest.mark.parametrize(
    "path",
    ["/patients/p-1/records", "/patients/p-1/records/$export", "/patients/p-1/completeness"],
)
def test_others_find_nothing(stranger, production, pulled, path):
    for other in (stranger, production):
        assert other.get(path).status_code == 404


def test_records_can_be_read_while_the_pull_is_running(api, portal, connected, pull):
    """What page 1 brought is there before page 2 is looked at."""
    seen = []

    def answer(request):
        if "page" in request.parameters:
            return fhir({"resourceType": "Bundle", "entry": [{"resource": observation("o-2")}]})
        following = [{"relation": "next", "url": f"{portal.base}/Observation?page=2"}]
        return fhir({"resourceType": "Bundle", "link": following, "entry": [{"resource": observation("o-1")}]})

    portal.on("/fhir/Observation", answer)
    connection = connected()

    receive = run_module.PullRun.receive

    def look_first(run, queue, target, answers):
        if "page=2" in target.url:
            seen.append(set(records_of(api)))
            pulls = api.get("/pulls").json()["data"]
            progress = {each["type"]: each for each in pulls[0]["progress"]}
            seen.append((pulls[0]["status"], progress["Observation"]["fetched"], progress["Observation"]["status"]))
        return receive(run, queue, target, answers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module.PullRun, "receive", look_first)
        pull(connection)
    assert "Observation/o-1" in seen[0]
    assert seen[1] == ("running", 1, "running")
