"""`manage.py verify`: silent about a sound installation, and each kind of damage is found by the check that names it.

Damage is done past the code, by UPDATE, as a bug or a hand on the database would do it.
"""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connect import ids
from connect.audit import append_only
from connect.audit.models import Entry
from connect.operations.heartbeats import BEAT, answer, note, queues
from connect.operations.verify import CHECKS, verify
from connect.operations.verify import pulls as verify_pulls
from connect.operations.verify import secrets as verify_secrets
from patientflows.models import Attempt
from portals.models import Revocation, Source
from pulls.models import RecordHead, Search
from tests.factories import make_organization
from tests.world import World, make_world
from webhooks.models import Endpoint, Event

LONG_AGO = timezone.now() - timedelta(hours=9)


@pytest.fixture
def guarded(db):
    append_only.remove()
    append_only.install()
    note(BEAT)
    for queue in queues():
        answer(queue, timezone.now().timestamp())
    yield
    append_only.remove()


@pytest.fixture
def world(guarded, organization) -> World:
    """A sound installation: everything delivered, nothing due."""
    world = make_world(organization)
    Event.objects.update(status="delivered", delivered_at=timezone.now(), next_attempt_at=None, attempts=1)
    Endpoint.objects.update(updated_at=LONG_AGO)
    return world


def found() -> dict[str, tuple[str, ...]]:
    return {finding.check: finding.named for finding in verify() if not finding.ok}


def change(row, **columns) -> None:
    assert type(row)._base_manager.filter(pk=row.pk).update(**columns) == 1


def of_a_stranger(world) -> World:
    return make_world(make_organization("Other"))


def test_a_sound_installation_is_silent(world):
    assert found() == {}


def second_attempt(world) -> None:
    change(world.flow, source=world.connection.source)
    Attempt.objects.create(
        flow=world.flow, source=world.connection.source, registration=world.connection.registration, status="connected",
        connection=world.connection, state_hash="0" * 64, browser_hash="0" * 64, expires_at=timezone.now(),
    )  # fmt: skip


def revocation(world, **columns) -> None:
    columns = {"due_at": timezone.now() + timedelta(hours=1)} | columns
    row = Revocation(
        source=world.connection.source, registration=world.connection.registration, endpoint="https://x.example/r",
        token_endpoint="https://x.example/t", **columns,
    )  # fmt: skip
    if "token" not in columns:
        row.token = "still here"
    row.save()


def twice(event: Event) -> None:
    event.pk, event.sequence = ids.new_event_id(), event.sequence + 1
    event.save(force_insert=True)
    Endpoint.objects.update(last_sequence=event.sequence)


DAMAGE = {
    "tenancy": lambda world: change(world.flow, patient=of_a_stranger(world).patient),
    "environments": lambda world: Source.objects.update(environment="production"),
    "plain-secrets": lambda world: change(world.patient, metadata={"oops": "mb_sk_live_" + "a" * 32}),
    "sealed": lambda world: change(world.connection, access_token=Endpoint.secret.field.sealed(world.endpoint)),
    "hashes": lambda world: change(world.flow, token_hash="the token itself"),
    "links-in-time": lambda world: change(
        world.flow, status="open", completed_at=None, expires_at=LONG_AGO
    ) or change(world.attempt, settled_at=LONG_AGO),
    "attempts-in-time": lambda world: change(world.attempt, status="pending", expires_at=LONG_AGO),
    "exchanges-settled": lambda world: change(
        world.attempt, status="pending", stage="exchanging", leased_until=LONG_AGO
    ),
    "attempts-forget": lambda world: change(world.attempt, verifier=Endpoint.secret.field.sealed(world.endpoint)),
    "flows-settled-once": lambda world: change(world.flow, completed_at=None),
    "one-connection-a-direct-flow": second_attempt,
    "attempts-lead-home": lambda world: change(world.attempt, connection=of_a_stranger(world).connection),
    "pull-comes-round": lambda world: change(world.connection, next_pull_at=None, updated_at=LONG_AGO),
    "refresh-comes-round": lambda world: change(world.connection, refresh_due_at=None),
    "active-has-token": lambda world: change(world.connection, access_token=None),
    "access-in-time": lambda world: change(world.connection, access_ends_at=LONG_AGO),
    "ends-explained": lambda world: change(
        world.connection, status="expired", access_token=None, refresh_token=None, failure_at=LONG_AGO
    ),
    "revoked-and-forgotten": lambda world: revocation(world, settled_at=timezone.now()),
    "revocations-end": lambda world: revocation(world, created_at=timezone.now() - timedelta(days=20)),
    "pulls-have-manifests": lambda world: change(world.pull, manifest=None),
    "manifests-unchanged": lambda world: change(world.pull, manifest_sha256="0" * 64),
    "pulls-have-access": lambda world: change(world.pull, status="waiting", updated_at=LONG_AGO)
    or change(world.connection, status="disconnected", access_token=None, refresh_token=None),
    "running-is-leased": lambda world: change(world.pull, status="running", leased_until=None),
    "complete-is-complete": lambda world: Search.objects.update(status="pending"),
    "positions": lambda world: RecordHead.objects.update(position=0),
    "records-at-home": lambda world: change(world.record, patient=of_a_stranger(world).patient, position=99),
    "records-open": lambda world: change(world.record, body=b"\x00" * 60),
    "changes-are-told": lambda world: Event.objects.filter(type="patient_flow.completed").delete(),
    "told-once": lambda world: twice(Event.objects.get(type="records.sync.completed")),
    "events-explained": lambda world: change(world.event, delivered_at=None),
    "events-come-round": lambda world: change(world.event, status="pending", next_attempt_at=None),
    "held-while-disabled": lambda world: change(
        world.event, status="pending", next_attempt_at=timezone.now(), created_at=LONG_AGO
    ) or change(world.endpoint, status="disabled"),
    "events-have-endpoints": lambda world: Endpoint.objects.all().delete() and Event.objects.update(created_at=LONG_AGO),
    "events-numbered": lambda world: change(world.event, sequence=None, created_at=LONG_AGO),
    "no-gaps": lambda world: Event.objects.filter(sequence=2).delete(),
    "nothing-waits": lambda world: change(world.event, status="pending", next_attempt_at=LONG_AGO),
    "alive": lambda world: database.cursor().execute("DELETE FROM operations_heartbeat"),
    "retention": lambda world: revocation(world, token=None, settled_at=timezone.now() - timedelta(days=40)),
    "audit-chain": lambda world: append_only.remove() or Entry.objects.filter(position=1).update(actor="eve"),
    "audit-guarded": lambda world: append_only.remove(),
}  # fmt: skip
# What the database's own constraints refuse, damage or not.
IMPOSSIBLE = {"tokens-of-the-living", "one-personal-link"}


@pytest.mark.parametrize("check", [check.name for check in CHECKS if check.name not in IMPOSSIBLE])
def test_damage_is_found_by_the_check_that_names_it(world, check):
    DAMAGE[check](world)
    assert check in found()


def test_only_active_connections_can_hold_tokens(world):
    with pytest.raises(IntegrityError), transaction.atomic():
        change(world.connection, status="disconnected")


def test_a_finding_says_which_row_and_what_to_do_and_nothing_of_what_it_holds(world):
    change(world.patient, metadata={"oops": "mb_sk_live_" + "a" * 32})
    said = StringIO()
    with pytest.raises(CommandError, match="1 of 42 checks"):
        call_command("verify", stdout=said)
    assert f"patient {world.patient.pk}: metadata" in said.getvalue()
    assert "Revoke or rotate" in said.getvalue()
    assert "aaaa" not in said.getvalue()


def test_one_check_can_be_asked_for_in_json(world):
    said = StringIO()
    call_command("verify", "audit-chain", json=True, stdout=said)
    assert json.loads(said.getvalue())["count"] == 0


def test_an_unknown_check_is_refused(db):
    with pytest.raises(CommandError, match="No such check"):
        call_command("verify", "nonsense")


@pytest.mark.parametrize("name", ["plain-secrets", "sealed", "manifests-unchanged", "records-open"])
def test_whole_tables_are_walked_a_chunk_at_a_time_and_to_their_end(world, monkeypatch, name):
    second = make_world(world.patient.organization, "production")
    for module in (verify_secrets, verify_pulls):
        monkeypatch.setattr(module, "CHUNK", 1)
    monkeypatch.setattr(verify_pulls, "LARGE", 1)
    DAMAGE[name](world)
    DAMAGE[name](second)
    with CaptureQueriesContext(database) as queries:
        (finding,) = verify([name])
    assert finding.count == 2
    read = [query["sql"] for query in queries if "SELECT" in query["sql"]]
    assert [sql for sql in read if "LIMIT" not in sql and " = " not in sql and " IN (" not in sql] == []
