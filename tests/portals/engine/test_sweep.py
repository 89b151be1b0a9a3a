"""A round of refreshes: fair between portals, gentle with dead ones, and losing no answer whatever happens."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from connect.organizations.models import Patient
from portals import actions, circuits, exchanges, settling, sweep
from portals.exchanges import ask
from portals.models import Circuit, Connection
from portals.refresh import claim, prepare
from portals.smart.discovery import SmartConfiguration
from tests.factories import STAFF
from tests.portals.engine.world import GRANTED, make_due, now_of
from tests.portals.portal_double import Answer, PortalDouble

Status = Connection.Status


@pytest.fixture
def dead(world):
    """A portal behind a gateway that answers 503 at once, known as Deadwood."""
    with PortalDouble() as double:
        double.on("/token", Answer(503))
        double.source = world.source("Deadwood", double)
        yield double


def many(world, source, number: int) -> list[Connection]:
    """Connections copied from one, each with a patient of its own: fast enough for hundreds."""
    first = world.due(source)
    patients = Patient.objects.bulk_create(
        Patient(organization_id=first.organization_id, environment=first.environment, patient_id=f"{source.pk}-{n}")
        for n in range(number - 1)
    )
    copies = []
    for patient in patients:
        copy = Connection(
            organization_id=first.organization_id, environment=first.environment, patient=patient, source=source,
            registration=first.registration, fhir_patient_id="pat-1", configuration=first.configuration,
            refresh_due_at=first.refresh_due_at, token_version=1, scopes=first.scopes,
        )  # fmt: skip
        copy.access_token, copy.refresh_token = "at-1", f"rt-{patient.patient_id}"
        copies.append(copy)
    return [first, *Connection.objects.bulk_create(copies)]


def test_one_dead_portal_with_many_connections_is_not_flooded_and_starves_nobody(world, dead):
    many(world, dead.source, 600)
    Connection.objects.update(refresh_due_at=timezone.now() - timedelta(minutes=5))
    others = [world.due(world.source(f"Other{n}")) for n in range(5)]
    world.answers({})
    assert sweep.refresh_due(round_seconds=10) is False
    assert all(now_of(row).access_token == "at-2" for row in others)
    assert len(dead.to("/token")) <= circuits.OPENS_AFTER_FAILURES + 3
    waiting = Connection.objects.filter(source=dead.source)
    assert waiting.due(timezone.now()).count() == 0
    assert waiting.filter(status=Status.ACTIVE, refresh_token__isnull=False).count() == 600
    comes_back = set(waiting.values_list("refresh_due_at", flat=True))
    assert len(comes_back) > 10


def test_after_the_wait_one_refresh_tests_the_portal_and_a_success_lets_the_rest_through(world, dead, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    rows = many(world, dead.source, 12)
    sweep.refresh_due(round_seconds=5)
    asked = len(dead.to("/token"))
    time_machine.shift(61)
    make_due(*rows)
    sweep.refresh_due(round_seconds=5)
    assert len(dead.to("/token")) == asked + 1
    dead.on("/token", Answer(json=GRANTED))
    time_machine.shift(3601)
    make_due(*rows)
    sweep.refresh_due(round_seconds=5)
    make_due(*rows)
    sweep.refresh_due(round_seconds=5)
    assert {now_of(row).access_token for row in rows} == {"at-2"}
    assert Circuit.objects.get(key=dead.source.pk).failures == 0


def test_a_refused_grant_proves_that_the_portal_answers(world, dead, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    rows = many(world, dead.source, 8)
    sweep.refresh_due(round_seconds=5)
    dead.on("/token", Answer(400, json={"error": "invalid_grant"}), Answer(json=GRANTED))
    for _ in range(2):
        time_machine.shift(3601)
        make_due(*(row for row in rows if now_of(row).is_active))
        sweep.refresh_due(round_seconds=5)
    assert Circuit.objects.get(key=dead.source.pk).open_until is None


def test_what_was_under_way_when_the_circuit_opened_does_not_make_the_wait_longer(world):
    connection = world.connect()
    for _ in range(20):
        circuits.note_failure(connection, reason="http_503")
    circuit = Circuit.objects.get()
    assert circuit.failures == circuits.OPENS_AFTER_FAILURES
    assert circuit.open_until <= timezone.now() + circuits.FIRST_WAIT


def test_each_failed_test_doubles_the_wait_up_to_an_hour(world, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    connection = world.connect()
    for _ in range(circuits.OPENS_AFTER_FAILURES):
        circuits.note_failure(connection, reason="http_503")
    waits = []
    for _ in range(9):
        circuit = Circuit.objects.get()
        waits.append((circuit.open_until - timezone.now()).total_seconds())
        time_machine.move_to(circuit.open_until + timedelta(seconds=1), tick=False)
        assert circuits.admit(connection, timezone.now(), circuits.known()) is None
        assert circuits.admit(world.connect(), timezone.now(), circuits.known()) is not None
        circuits.note_failure(connection, reason="http_503")
    assert 45 < waits[0] <= 60 < waits[1] <= 120 < waits[2] <= 240
    assert 2800 < waits[-1] <= 3600


def test_a_slow_portal_holds_no_more_than_its_share_of_the_threads(world, dead, settings):
    settings.REFRESH_THREADS = 4
    slow, quick_is_done, together = [], threading.Event(), threading.Lock()

    def answer(_):
        with together:
            slow.append(1)
        assert quick_is_done.wait(10)
        return Answer(json=GRANTED)

    def quick(_):
        if len(world.asked) == 6:
            quick_is_done.set()
        return Answer(json=GRANTED)

    dead.on("/token", answer)
    world.portal.on("/token", quick)
    many(world, dead.source, 250)
    Connection.objects.update(refresh_due_at=timezone.now() - timedelta(minutes=5))
    quick_rows = [world.due(world.source("Quick")) for _ in range(6)]
    sweep.refresh_due(round_seconds=0.5)
    assert all(now_of(row).access_token == "at-2" for row in quick_rows)
    assert quick_is_done.is_set()


def test_an_unexpected_error_in_one_request_loses_nobody_elses_answer(world, monkeypatch):
    bad, good = world.due(refresh_token="rt-bad"), [world.due(refresh_token=f"rt-{n}") for n in range(3)]
    world.portal.on(
        "/token", lambda request: Answer(json=GRANTED | {"refresh_token": request.form["refresh_token"] + "+"})
    )
    refresh = exchanges.tokens.refresh

    def refresh_or_not(*, refresh_token, **kwargs):
        if refresh_token == "rt-bad":
            raise KeyError("surprise")
        return refresh(refresh_token=refresh_token, **kwargs)

    monkeypatch.setattr(exchanges.tokens, "refresh", refresh_or_not)
    sweep.refresh_due(round_seconds=2)
    assert {now_of(row).refresh_token for row in good} == {"rt-0+", "rt-1+", "rt-2+"}
    row = now_of(bad)
    assert (row.refresh_state, row.refresh_error) == (Connection.Refresh.UNCERTAIN, "internal_error")


def test_answers_on_their_way_are_settled_when_looking_for_more_fails(world, monkeypatch):
    row = world.due()
    world.answers({"refresh_token": "rt-2"})
    looks = iter([sweep.circuits.resting(timezone.now())])

    def resting(now):
        try:
            return next(looks)
        except StopIteration:
            raise OperationalError("the database is away") from None

    monkeypatch.setattr(sweep.circuits, "resting", resting)
    with pytest.raises(OperationalError):
        sweep.refresh_due(round_seconds=2)
    assert now_of(row).refresh_token == "rt-2"


def test_new_tokens_are_stored_though_the_database_is_away_for_a_moment(world, monkeypatch):
    row = world.due()
    world.answers({"refresh_token": "rt-2"})
    renew, failures = Connection.renew, iter([1, 2])

    def renew_later(self, **kwargs):
        if next(failures, None):
            raise OperationalError("server closed the connection unexpectedly")
        return renew(self, **kwargs)

    monkeypatch.setattr(Connection, "renew", renew_later)
    monkeypatch.setattr(settling, "DATABASE_RETRIES_SECONDS", (0, 0))
    sweep.refresh_due(round_seconds=2)
    assert now_of(row).refresh_token == "rt-2"


@pytest.mark.parametrize("ended", ["disconnected", "erased"])
def test_tokens_that_arrive_after_access_ended_are_given_back(world, ended):
    connection = world.due()

    def end_meanwhile(_):
        return Answer(json=GRANTED | {"refresh_token": "rt-2"})

    world.portal.on("/token", end_meanwhile)
    (request,) = prepare(claim([connection.pk]))
    answer = ask(request)
    if ended == "disconnected":
        actions.disconnect(connection=now_of(connection), by=STAFF)
    else:
        Connection.objects.filter(pk=connection.pk).delete()
    settling.settle(answer)
    assert {("refresh_token", "rt-2"), ("access_token", "at-2")} <= world.revocations()
    if ended == "disconnected":
        row = now_of(connection)
        assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
        assert [event.type for event in world.events()] == ["connection.disconnected"]


def test_an_older_verdict_does_not_end_a_newer_grant(world):
    """invalid_grant arrives while the patient has just authorised again: the row is read again, and lives."""
    connection = world.due()
    world.answers(Answer(400, json={"error": "invalid_grant"}))
    (request,) = prepare(claim([connection.pk]))
    answer = ask(request)
    world.connect(connection.source, patient=connection.patient, refresh_token="rt-new")
    settling.settle(answer)
    row = now_of(connection)
    assert (row.status, row.refresh_token) == (Status.ACTIVE, "rt-new")
    assert world.events() == []


def test_access_without_refresh_token_ends_when_it_lapses(world, time_machine):
    """tok-no-refresh-token: no refresh is ever sent."""
    start = timezone.now()
    connection = world.connect(refresh_token=None)
    assert (connection.renewable, connection.refresh_due_at) == (False, connection.access_expires_at)
    assert connection.access_ends_at == connection.access_expires_at
    time_machine.move_to(start + timedelta(seconds=3601), tick=False)
    sweep.refresh_due(round_seconds=1)
    sweep.end_due()
    row = now_of(connection)
    assert (row.status, row.failure_code, row.access_token) == (Status.EXPIRED, "access_lapsed", None)
    assert [event.type for event in world.events()] == ["connection.expired"]
    assert world.asked == []


def test_to_refresh_now_what_cannot_be_refreshed_is_refused_and_ends_nothing(world):
    connection = world.connect(refresh_token=None)
    with pytest.raises(Exception, match="Only an active connection"):
        actions.refresh_now(connection=connection, by=STAFF)
    sweep.refresh_due(round_seconds=1)
    assert now_of(connection).status == Status.ACTIVE


def test_a_paused_portal_is_left_alone_until_then_and_resumes_by_hand(world):
    connection = world.due()
    actions.pause_portal(source=connection.source, by=STAFF, reason="maintenance")
    world.answers({})
    sweep.refresh_due(round_seconds=1)
    row = now_of(connection)
    assert row.refresh_due_at == row.source.paused_until
    assert world.asked == []
    actions.resume_portal(source=row.source, by=STAFF)
    make_due(connection)
    sweep.refresh_due(round_seconds=1)
    assert now_of(connection).access_token == "at-2"


def test_disc_cross_host_change(world):
    """Discovery now names another host: the refresh token goes to where the grant was made, and nowhere else."""
    connection = world.due()
    with PortalDouble() as thief:
        moved = world.configuration(connection.source).to_dict() | {"token_endpoint": f"{thief.url}/token"}
        connection.source.remember_configuration(SmartConfiguration.from_dict(moved).to_dict())
        world.answers({})
        sweep.refresh_due(round_seconds=1)
        assert thief.requests == []
    assert world.asked == ["rt-1"]


def test_a_token_endpoint_that_moved_within_its_host_is_followed(world):
    connection = world.due()
    moved = world.configuration(connection.source).to_dict() | {"token_endpoint": f"{world.portal.url}/oauth2/token"}
    connection.source.remember_configuration(moved)
    world.portal.on("/oauth2/token", Answer(json=GRANTED))
    sweep.refresh_due(round_seconds=1)
    assert now_of(connection).access_token == "at-2"
