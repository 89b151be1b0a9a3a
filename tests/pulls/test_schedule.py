"""When pulls are made, retried, given up and canceled, and what is told of each."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from connect.audit.models import Entry
from connect.errors import ResourceConflict
from portals.actions import advance
from portals.clock import live_through
from portals.models import Connection, Source
from pulls import sweep
from pulls.actions import cancel_pull, pull_now, queue_pull
from pulls.models import Pull
from pulls.quiet import after_quiet_hours
from pulls.run import run_pull
from tests.factories import STAFF, make_endpoint
from tests.portals.portal_double import Answer
from tests.pulls.scripted import bundle, fhir, observation
from webhooks.models import Event

pytestmark = pytest.mark.django_db
DAY = 24 * 3600
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def seconds_to_next(connection) -> float:
    connection.refresh_from_db()
    return (connection.next_pull_at - connection.last_pulled_at).total_seconds()


def told(type_: str) -> list[dict]:
    return [event.data["object"] for event in Event.objects.filter(type=type_).order_by("pk")]


def test_after_a_complete_pull_the_next_is_a_day_away_give_or_take(connected, pull):
    connection = connected()
    pull(connection)
    assert seconds_to_next(connection) == pytest.approx(DAY, rel=0.051)


@pytest.mark.parametrize(("organisations", "sources", "expected"), [(3600, None, 3600), (3600, 600, 600)])
def test_the_interval_is_the_sources_then_the_organisations(
    organization, connected, pull, organisations, sources, expected
):
    organization.pull_interval_seconds = organisations
    organization.save()
    connection = connected(overrides={"pull_interval_seconds": sources} if sources else {})
    pull(connection)
    assert seconds_to_next(connection) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        ([22, 6], 23, (2, 6)),
        ([22, 6], 3, (1, 6)),
        ([22, 6], 12, (1, 12)),
        ([9, 17], 12, (1, 17)),
        ([9, 17], 17, (1, 17)),
        (None, 3, (1, 3)),
    ],
)
def test_quiet_hours_put_a_pull_off_to_their_end(hours, at, expected):
    day, hour = expected
    assert after_quiet_hours(hours, NOON.replace(hour=at)) == NOON.replace(day=day, hour=hour)


def test_a_pull_that_falls_due_is_made_once_by_however_many_sweeps(connected, pull):
    connection = connected()
    pull(connection)
    connection.refresh_from_db()
    with time_machine.travel(connection.next_pull_at + timedelta(seconds=1)):
        assert (sweep.queue_scheduled(), sweep.queue_scheduled()) == (1, 0)
        made = Pull.objects.first()
        assert (made.status, made.trigger) == ("queued", "schedule")
        assert sweep.due_pulls() == [made.pk]
        assert sweep.due_pulls() == []  # offered already
        run_pull(made.pk)
    assert Pull.objects.get(pk=made.pk).status == "completed"


def test_what_failed_is_tried_again_sooner_and_then_on_schedule(portal, connected, pull):
    portal.on("/fhir/Observation", Answer(500))
    connection = connected()
    waits = []
    for _ in range(5):
        pull(connection)
        waits.append(round(seconds_to_next(connection)))
    assert waits[:3] == pytest.approx([600, 3600, 6 * 3600], abs=30)
    assert all(wait > 0.9 * DAY for wait in waits[3:])
    connection.refresh_from_db()
    with time_machine.travel(connection.next_pull_at + timedelta(seconds=1)):
        sweep.queue_scheduled()
    made = Pull.objects.first()
    assert (made.trigger, made.retry_of) == ("schedule", None)


def test_what_was_refused_is_not_asked_again_before_its_time(portal, connected, pull):
    portal.on("/fhir/CarePlan", Answer(403))
    connection = connected()
    assert pull(connection).status == "partial"
    assert seconds_to_next(connection) > 0.9 * DAY


def test_a_portal_that_stays_away_is_given_up_with_an_event(settings, tenant, portal, connected, receiver):
    settings.PULL_GIVES_UP_AFTER_SECONDS = 3 * 3600
    make_endpoint(tenant, receiver)
    portal.on("/fhir/metadata", Answer(503))
    connection = connected()
    made = queue_pull(connection=connection, trigger="connected")
    with time_machine.travel(NOON) as clock:
        Pull.objects.update(due_at=NOON)
        for _ in range(30):
            run_pull(made.pk)
            made.refresh_from_db()
            if not made.is_open:
                break
            assert (made.status, made.waiting_for) == ("waiting", "capabilities_unavailable")
            clock.move_to(made.due_at + timedelta(seconds=1))
    assert (made.status, made.error) == ("failed", "capabilities_unavailable")
    assert made.finished_at - NOON >= timedelta(hours=3)
    (event,) = told("records.sync.failed")
    assert event == {
        "resource_type": "records_sync", "patient_id": "p-1", "connection_id": connection.source_id,
        "pull_id": made.pk, "error_message": "capabilities_unavailable",
    }  # fmt: skip


def test_a_completed_pull_is_told_once_with_its_manifests_digest(tenant, portal, connected, pull, receiver):
    make_endpoint(tenant, receiver)
    portal.holds("Observation", observation("o-1"))
    portal.on("/fhir/CarePlan", Answer(403))
    connection = connected()
    done = pull(connection)
    run_pull(done.pk)
    assert told("records.sync.completed") == [{
        "resource_type": "records_sync", "patient_id": "p-1", "connection_id": connection.source_id,
        "pull_id": done.pk, "total": 2, "errors": 1, "duration_ms": done.duration_ms,
        "manifest_sha256": done.manifest_sha256,
    }]  # fmt: skip


def test_there_is_one_open_pull_a_connection(api, connected):
    connection = connected()
    first = queue_pull(connection=connection, trigger="connected")
    path = f"/patients/p-1/connections/{connection.pk}/pull"
    assert api.create(path).json()["id"] == first.pk
    assert Pull.objects.count() == 1


def test_by_hand_a_pull_that_waits_tries_at_once(portal, connected, pull):
    portal.on("/fhir/metadata", Answer(503), fhir({"resourceType": "CapabilityStatement"}))
    connection = connected()
    assert pull(connection).status == "waiting"
    hurried = pull_now(connection=connection, by=STAFF)
    run_pull(hurried.pk)
    assert Pull.objects.get().status == "completed"


def test_a_connection_that_has_ended_is_not_pulled(api, connected):
    connection = connected()
    connection.end(Connection.Status.DISCONNECTED, failure_code=None)
    answer = api.create(f"/patients/p-1/connections/{connection.pk}/pull")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "resource_conflict")
    assert not Pull.objects.exists()


def test_a_canceled_pull_stays_canceled_and_says_who_asked(connected):
    made = queue_pull(connection=connected(), trigger="connected")
    cancel_pull(pull=made, by=STAFF)
    run_pull(made.pk)
    made.refresh_from_db()
    assert (made.status, made.error) == ("canceled", "by_request")
    assert Entry.objects.get(action="pull.canceled").actor == "tester"
    with pytest.raises(ResourceConflict):
        cancel_pull(pull=made, by=STAFF)


def test_a_worker_that_died_is_replaced_when_its_lease_runs_out(monkeypatch, portal, connected):
    portal.holds("Observation", observation("o-1"))
    made = queue_pull(connection=connected(), trigger="connected")
    with monkeypatch.context() as patch:
        patch.setattr("pulls.settle.settle", _dies)
        with pytest.raises(SystemExit):
            run_pull(made.pk)
    run_pull(made.pk)
    assert Pull.objects.get().status == "running"
    asked = len(portal.requests)
    with time_machine.travel(Pull.objects.get().leased_until + Pull.LEASE):
        run_pull(made.pk)
    assert Pull.objects.get().status == "completed"
    assert len(portal.requests) == asked


def _dies(*args, **kwargs):
    raise SystemExit


def test_the_sandboxs_clock_brings_the_next_pull_near(connected, pull):
    connection = connected()
    pull(connection)
    connection.refresh_from_db()
    assert sweep.queue_scheduled() == 0
    advance(connection=connection, seconds=2 * DAY, by=STAFF)
    live_through(connection.pk)
    assert sweep.queue_scheduled() == 1


def test_first_things_come_first_and_the_first_record_is_timed(portal, connected, pull):
    portal.on("/fhir/Patient/pat-1", fhir({"resourceType": "Patient", "id": "pat-1"}))
    done = pull(connected())
    assert done.started_at <= done.first_record_at <= done.finished_at
    asked = [request.path for request in portal.requests if request.path != "/fhir/metadata"]
    first = {"/fhir/Patient/pat-1", *(f"/fhir/{each}" for each in FIRST)}
    assert set(asked[:8]) >= first


FIRST = ("AllergyIntolerance", "Condition", "MedicationRequest", "Immunization")


def test_completeness_says_it_in_sentences(api, portal, connected, pull):
    portal.on("/fhir/AllergyIntolerance", Answer(403))
    portal.holds("Condition")
    portal.pages("Observation", [observation("o-1")], Answer(500), [observation("o-3")])
    done = pull(connected())
    (one,) = api.get("/patients/p-1/completeness").json()["connections"]
    assert (one["last_pull_id"], one["is_complete"]) == (done.pk, False)
    assert set(one["types_lacking"]) == {"AllergyIntolerance", "Observation"}
    text = " ".join(one["sentences"])
    assert "Valley Health refused to share AllergyIntolerance (http_403)." in text
    assert "Valley Health delivered only some of Observation (http_500)." in text
    assert "was asked for Condition" in text


def test_completeness_before_any_pull(api, connected):
    connected()
    (one,) = api.get("/patients/p-1/completeness").json()["connections"]
    assert one["sentences"] == ["Nothing has been fetched from Valley Health yet."]


def test_no_manifest_before_the_end(api, connected):
    made = queue_pull(connection=connected(), trigger="connected")
    assert api.get(f"/pulls/{made.pk}/manifest").status_code == 404


def test_pulls_are_listed_with_their_progress(api, portal, connected, pull):
    portal.on("/fhir/Observation", fhir(bundle(observation("o-1"), total=1)))
    done = pull(connected())
    (listed,) = api.get("/pulls", {"status": "completed", "patient_id": "p-1"}).json()["data"]
    assert (listed["id"], listed["resource_type"], listed["trigger"]) == (done.pk, "pull", "manual")
    (line,) = [each for each in listed["progress"] if each["type"] == "Observation"]
    assert line == {"type": "Observation", "status": "done", "fetched": 1, "expected": 1, "stored": 1, "error": None}
    assert api.get("/pulls", {"status": "failed"}).json()["data"] == []
    assert Source.objects.get().capabilities is not None
