"""Cases 7.7 on rows: disconnecting, revoking in the background, coming back, and where no secret may be found."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from portals import actions, connections, revoke, sweep
from portals.models import Connection, Revocation, Source
from portals.smart.errors import PatientMissing
from portals.smart.tokens import TokenResponse
from tests.factories import STAFF
from tests.portals.engine.world import make_due, now_of
from tests.portals.portal_double import Answer, PortalDouble

Status = Connection.Status


def revoke_all() -> None:
    """Let everything that waits for its time be due, and carry it out."""
    Revocation.objects.filter(settled_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    while revoke.revoke_due():
        pass


def test_rev_both_tokens(world):
    connection = world.connect()
    actions.disconnect(connection=connection, by=STAFF)
    world.portal.on("/revoke", Answer(200))
    revoke_all()
    assert [request.form for request in world.portal.to("/revoke")] == [
        {"token": "rt-1", "token_type_hint": "refresh_token"},
        {"token": "at-1", "token_type_hint": "access_token"},
    ]
    assert all(request.headers["authorization"].startswith("Basic ") for request in world.portal.to("/revoke"))
    assert set(Revocation.objects.values_list("token", "last_error")) == {(None, "")}


def test_rev_503_local_tokens_gone_now_and_the_rest_in_the_background(world, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    connection = world.connect()
    world.portal.on("/revoke", Answer(503, headers={"Retry-After": "90"}))
    actions.disconnect(connection=connection, by=STAFF)
    row = now_of(connection)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    revoke.revoke_due()
    waiting = Revocation.objects.filter(settled_at=None)
    assert waiting.count() == 2
    assert all(row.due_at >= timezone.now() + timedelta(seconds=90) for row in waiting)
    asked = len(world.portal.to("/revoke"))
    revoke.revoke_due()
    assert len(world.portal.to("/revoke")) == asked
    world.portal.on("/revoke", Answer(200))
    time_machine.shift(200)
    while revoke.revoke_due():
        pass
    assert not waiting.all().exists()


def test_rev_is_given_up_after_a_week(world):
    actions.disconnect(connection=world.connect(), by=STAFF)
    Revocation.objects.update(created_at=timezone.now() - timedelta(days=8))
    world.portal.on("/revoke", Answer(503))
    revoke_all()
    assert set(Revocation.objects.values_list("token", "last_error")) == {(None, "http_503")}


@pytest.mark.parametrize("answer", [Answer(400, json={"error": "unsupported_token_type"}), Answer(404)])
def test_rev_unsupported(world, answer):
    actions.disconnect(connection=world.connect(), by=STAFF)
    world.portal.on("/revoke", answer)
    revoke_all()
    assert set(Revocation.objects.values_list("token", "last_error")) == {(None, "unsupported")}


def test_rev_unsupported_where_nothing_is_offered_queues_nothing(world):
    connection = world.connect()
    connection.amend(configuration=connection.configuration | {"revocation_endpoint": None})
    actions.disconnect(connection=connection, by=STAFF)
    assert not Revocation.objects.exists()


def test_rev_one_dead_portals_tokens_do_not_hold_up_the_others(world):
    with PortalDouble() as dead:
        dead.on("/revoke", Answer(503))
        source = world.source("Deadwood", dead)
        for _ in range(15):
            actions.disconnect(connection=world.connect(source), by=STAFF)
        actions.disconnect(connection=world.connect(), by=STAFF)
        world.portal.on("/revoke", Answer(200))
        revoke.revoke_due()
        assert len(world.portal.to("/revoke")) == 2
        assert len(dead.to("/revoke")) <= revoke.PER_SOURCE
        assert not revoke.revoke_due()


def test_rev_two_workers_do_not_send_the_same_token(world):
    actions.disconnect(connection=world.connect(), by=STAFF)
    ids = list(Revocation.objects.values_list("pk", flat=True))
    assert len(revoke.claim(ids)) == 2
    assert revoke.claim(ids) == []


def test_disconnecting_twice_is_disconnecting_once(world):
    connection = world.connect()
    actions.disconnect(connection=connection, by=STAFF)
    actions.disconnect(connection=connection, by=STAFF)
    assert [event.type for event in world.events()] == ["connection.disconnected"]
    assert world.audited("connection.disconnected") == 1
    assert Revocation.objects.count() == 2


def test_portal_side_revocation(world):
    """The patient withdrew at the portal: the next refresh learns it, and the integrator is told once."""
    connection = world.due()
    world.answers(Answer(400, json={"error": "invalid_grant"}))
    sweep.refresh_due(round_seconds=1)
    make_due(connection)
    sweep.refresh_due(round_seconds=1)
    assert [event.type for event in world.events()] == ["connection.token_refresh_failed"]
    assert not Revocation.objects.exists()


@pytest.mark.parametrize("ended", ["refresh_failed", "disconnected", "expired", "active"])
def test_reauth_same_patient(world, ended):
    """Coming back revives the same connection, whatever had become of it."""
    connection = world.connect()
    if ended != "active":
        connection.end(ended, failure_code="refresh_rejected", reason="invalid_grant")
    again, reconnected = connections.grant(
        patient=connection.patient, source=connection.source, registration=connection.registration,
        tokens=TokenResponse("at-9", refresh_token="rt-9", patient="pat-1", expires_in_seconds=570),
        configuration=world.configuration(connection.source), scopes_asked="launch/patient patient/*.rs",
        patient_flow_id="pf_2",
    )  # fmt: skip
    row = now_of(connection)
    assert (again.pk, reconnected) == (connection.pk, True)
    assert (row.status, row.failure_code, row.failure_at, row.refresh_error) == (Status.ACTIVE, None, None, "")
    assert (row.access_token, row.refresh_token, row.previous_refresh_token) == ("at-9", "rt-9", None)
    assert (row.patient_flow_id, row.scopes) == ("pf_2", ["launch/patient", "patient/*.rs"])


def test_reauth_another_fhir_patient_is_another_connection(world):
    connection = world.connect()
    child = world.connect(connection.source, patient=connection.patient, fhir_patient="pat-2", refresh_token="rt-c")
    assert child.pk != connection.pk
    assert now_of(connection).refresh_token == "rt-1"


def test_reauth_without_a_patient_makes_nothing(world):
    with pytest.raises(PatientMissing):
        world.connect(fhir_patient=None)
    assert not Connection.objects.exists()


def test_reauth_tells_that_it_was_a_reconnection(world):
    connection = world.connect()
    world.connect(connection.source, patient=connection.patient)
    told = [event.data["object"]["reconnected"] for event in world.events_of("connection.active")]
    assert told == [False, True]


CANARIES = ("canary-access", "canary-refresh", "canary-rotated", "canary-code", "our-secret")


def everything_at_rest() -> str:
    """Every column of every table as text, bytes in every spelling."""
    dumped = []
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for values in cursor.fetchall():
                dumped += [bytes(v).decode("latin-1") if isinstance(v, (bytes, memoryview)) else str(v) for v in values]
    return "\n".join(dumped)


def test_sec_tokens_encrypted(world, caplog, capfd):
    """Nothing at rest, told, logged or printed holds a token or a secret: canaries through the whole life of a grant."""
    caplog.set_level(logging.DEBUG)
    connection = world.connect(refresh_token="canary-refresh")
    connection.amend(access_token="canary-access")
    world.answers(
        Answer(503), {"access_token": "canary-access", "refresh_token": "canary-rotated"},
        Answer(400, json={"error": "invalid_grant", "error_description": "canary-code"}),
    )  # fmt: skip
    for _ in range(2):
        make_due(connection)
        sweep.refresh_due(round_seconds=1)
    actions.disconnect(connection=now_of(connection), by=STAFF)
    world.portal.on("/revoke", Answer(503, body=b"canary-code"))
    revoke_once = revoke.revoke_due()
    assert revoke_once
    failed = world.due(refresh_token="canary-refresh")
    sweep.refresh_due(round_seconds=1)
    printed = "".join(capfd.readouterr())
    told = json.dumps([event.data for event in world.events()])
    shown = repr(now_of(failed)) + str(failed) + repr(list(Revocation.objects.all()))
    for canary in CANARIES:
        assert canary not in everything_at_rest()
        assert canary not in caplog.text + printed + told + shown
    assert world.asked == ["canary-refresh"] * 2 + ["canary-refresh"]


def test_sec_key_rotation_a_token_moved_to_another_row_does_not_open(world):
    one, other = world.connect(), world.connect(refresh_token="rt-other")
    sealed = Connection.objects.filter(pk=other.pk).values_list("refresh_token", flat=True)[0]
    Connection.objects.filter(pk=one.pk).update(refresh_token=sealed)
    with pytest.raises(Exception, match="sealed for another row"):
        _ = now_of(one).refresh_token


def test_sec_no_token_in_url(world):
    connection = world.due()
    world.answers({})
    sweep.refresh_due(round_seconds=1)
    actions.disconnect(connection=now_of(connection), by=STAFF)
    world.portal.on("/revoke", Answer(200))
    revoke_all()
    assert len(world.portal.requests) == 3
    assert all(request.query == "" for request in world.portal.requests)


def test_sec_cross_portal_token(world):
    """A portal's document that names another portal's endpoints gets nobody's token sent anywhere new."""
    with PortalDouble() as hostile:
        connection = world.due()
        documents = {"token_endpoint": f"{hostile.url}/token", "revocation_endpoint": f"{hostile.url}/revoke"}
        Source.objects.update(configuration=world.configuration(connection.source).to_dict() | documents)
        world.answers({})
        sweep.refresh_due(round_seconds=1)
        actions.disconnect(connection=now_of(connection), by=STAFF)
        world.portal.on("/revoke", Answer(200))
        revoke_all()
        assert hostile.requests == []
    assert len(world.portal.to("/token")) == 1
    assert len(world.portal.to("/revoke")) == 2
