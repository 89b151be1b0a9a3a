"""Who read whose data over the API is on record: once a key, kind of read, patient and day."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connect.audit.models import Entry
from connect.organizations import reads
from connect.organizations.models import ApiKey
from tests.factories import ApiClient, make_key, make_organization
from tests.world import make_world

pytestmark = pytest.mark.django_db
NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)
READS = {
    "/patients/p-1/records": ("records.read", "patient"),
    "/patients/p-1/records/$export": ("records.exported", "patient"),
    "/patients/p-1": ("patient.read", "patient"),
    "/patients": ("patients.listed", "api_key"),
}


@pytest.fixture
def world():
    return make_world(make_organization())


def noted(action: str):
    return Entry.objects.filter(action=action).order_by("id")


@pytest.mark.parametrize(("path", "told"), READS.items(), ids=READS)
def test_a_read_is_on_record_before_it_is_answered(world, path, told):
    action, object_type = told
    answer = world.api.get(path)
    entry = noted(action).get()
    assert answer.status_code == 200
    key = ApiKey.objects.get(pk=entry.actor)
    assert (entry.actor_kind, entry.organization_id, entry.environment) == ("api_key", key.organization_id, "sandbox")
    assert (entry.object_type, entry.address) == (object_type, "127.0.0.1")
    assert entry.object_id == (world.patient.pk if object_type == "patient" else key.pk)
    assert entry.request_id == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", READS)
def test_more_reads_of_the_day_write_nothing_and_ask_nothing(world, path):
    world.api.get(path).getvalue()
    with CaptureQueriesContext(connection) as queries:
        world.api.get(path).getvalue()
    assert noted(READS[path][0]).count() == 1
    assert not [query for query in queries if "audit_entry" in query["sql"]]


def test_a_process_that_has_forgotten_looks_the_day_up_and_writes_nothing(world, monkeypatch):
    world.api.get("/patients/p-1/records")
    monkeypatch.setattr(reads, "_noted", reads._Noted())
    with CaptureQueriesContext(connection) as queries:
        world.api.get("/patients/p-1/records")
    assert noted("records.read").count() == 1
    assert len([query for query in queries if "audit_entry" in query["sql"]]) == 1


def test_what_a_process_remembers_is_bounded(world, monkeypatch):
    monkeypatch.setattr(reads, "REMEMBERED", 2)
    for path in [*READS, *READS]:
        world.api.get(path)
        assert len(reads._noted.reads) <= 2
    assert noted("records.read").count() == 1


def test_another_day_key_and_patient_are_entries_of_their_own(world):
    organization = world.patient.organization
    other = ApiClient(make_key(organization))
    world.api.create("/patients", {"patient_id": "p-2"})
    with time_machine.travel(NOON, tick=False) as clock:
        for _ in range(2):
            world.api.get("/patients/p-1/records")
            world.api.get("/patients/p-2/records")
            other.get("/patients/p-1/records")
        assert noted("records.read").count() == 3
        clock.shift(timedelta(hours=11, minutes=59))
        world.api.get("/patients/p-1/records")
        assert noted("records.read").count() == 3
        clock.shift(timedelta(minutes=1))
        world.api.get("/patients/p-1/records")
    assert noted("records.read").count() == 4


def test_nothing_is_answered_that_could_not_be_noted(world, monkeypatch):
    def broken(**facts):
        raise RuntimeError("no room")

    monkeypatch.setattr(reads, "record", broken)
    world.api.raise_request_exception = False
    answer = world.api.get("/patients/p-1/records")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    monkeypatch.undo()
    assert world.api.get("/patients/p-1/records").status_code == 200
    assert noted("records.read").count() == 1


@pytest.mark.parametrize("path", READS)
def test_a_refused_read_is_not_on_record_as_one(world, path):
    stranger = ApiClient(make_key(make_organization("Others")))
    unscoped = ApiClient(make_key(world.patient.organization, scopes=["webhooks:read"]))
    assert unscoped.get(path).status_code == 403
    if path != "/patients":
        assert stranger.get(path).status_code == 404
    assert not noted(READS[path][0]).exists()
