"""Moving portals: a successor with a date. One connection, told in time, whose records stay where they came from."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connect.errors import InvalidData
from portals import actions, sweep
from portals.lookup import source_named
from portals.models import Connection, Source
from tests.factories import STAFF
from tests.portals.engine.world import make_due, now_of

Status = Connection.Status


@pytest.fixture
def moving(world):
    """A connection at Mercy, which moves to Mercy West in thirty days."""
    connection = world.connect()
    successor = world.source("West")
    moves_at = timezone.now() + timedelta(days=30)
    assert actions.move_portal(source=connection.source, successor=successor, moves_at=moves_at, by=STAFF) == 1
    world.old, world.new, world.moves_at, world.connection = connection.source, successor, moves_at, connection
    return world


def at(time_machine, moment) -> None:
    time_machine.move_to(moment, tick=False)
    sweep.end_due()


def test_connections_are_told_seven_days_before_and_end_when_the_portal_moves(moving, time_machine):
    at(time_machine, moving.moves_at - timedelta(days=8))
    assert moving.events() == []
    at(time_machine, moving.moves_at - timedelta(days=6))
    (notice,) = moving.events()
    assert notice.type == "connection.expiring"
    assert notice.data["object"]["successor_id"] == moving.new.pk
    at(time_machine, moving.moves_at + timedelta(seconds=1))
    assert [event.type for event in moving.events()] == ["connection.expiring", "connection.expired"]
    assert now_of(moving.connection).status == Status.EXPIRED


def test_who_reconnects_as_the_same_fhir_patient_keeps_the_connection(moving, time_machine):
    at(time_machine, moving.moves_at + timedelta(seconds=1))
    again = moving.connect(moving.new, patient=moving.connection.patient, refresh_token="rt-west")
    assert again.pk == moving.connection.pk
    row = now_of(again)
    assert (row.source_id, row.status, row.refresh_token) == (moving.new.pk, Status.ACTIVE, "rt-west")
    assert row.access_ends_at is None
    assert Connection.objects.count() == 1
    assert moving.events_of("connection.active")[-1].data["object"]["reconnected"] is True


def test_who_reconnects_before_the_day_keeps_it_too(moving):
    again = moving.connect(moving.new, patient=moving.connection.patient)
    assert again.pk == moving.connection.pk
    moving.answers({})
    make_due(again)
    sweep.refresh_due(round_seconds=1)
    assert now_of(again).access_token == "at-2"


def test_another_fhir_patient_at_the_successor_is_another_connection(moving):
    other = moving.connect(moving.new, patient=moving.connection.patient, fhir_patient="pat-2")
    assert other.pk != moving.connection.pk
    assert now_of(moving.connection).source_id == moving.old.pk


def test_after_the_day_the_old_source_is_not_offered_and_its_names_lead_to_the_new_one(moving, time_machine):
    assert source_named("sandbox", moving.old.pk) == moving.old
    at(time_machine, moving.moves_at + timedelta(seconds=1))
    assert list(Source.objects.offered("sandbox")) == [moving.new]
    assert source_named("sandbox", moving.old.pk) == moving.new
    assert source_named("sandbox", moving.old.fhir_base_url) == moving.new


def test_who_connects_to_a_moving_portal_hears_of_its_end_as_well(moving):
    assert moving.connect(moving.old).access_ends_at == moving.moves_at


def test_a_refresh_does_not_prolong_access_past_the_move(moving):
    moving.answers({"access_grant_expiration": (moving.moves_at + timedelta(days=300)).isoformat()})
    make_due(moving.connection)
    sweep.refresh_due(round_seconds=1)
    assert now_of(moving.connection).access_ends_at == moving.moves_at


def test_a_move_can_be_called_off(moving):
    actions.cancel_move(source=Source.objects.get(pk=moving.old.pk), by=STAFF)
    assert now_of(moving.connection).access_ends_at is None
    assert now_of(moving.connection).source.successor is None


def test_a_source_is_not_its_own_successor_nor_its_successors(moving):
    for source, successor in ((moving.old, moving.old), (moving.new, Source.objects.get(pk=moving.old.pk))):
        with pytest.raises(InvalidData):
            actions.move_portal(source=source, successor=successor, moves_at=moving.moves_at, by=STAFF)


def test_a_flow_that_reconnects_goes_to_the_successor(moving, api):
    answer = api.create("/patient-flows", {
        "patient_id": moving.connection.patient.patient_id, "reconnect": moving.connection.pk,
        "return_url": "https://app.example.com/back",
    })  # fmt: skip
    assert answer.status_code == 200
    assert answer.json()["connection_id"] == moving.new.pk
