"""What people and API clients ask of connections and portals."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.background import wake
from connect.errors import InvalidData, ResourceConflict
from connect.states import TransitionRefused
from portals import discovery, probing, registrations, tasks
from portals.diagnoses import Diagnosis
from portals.models import Advance, Connection, Registration, Source
from portals.payloads import emit_connection_event
from portals.preflight import run as preflights
from portals.revocations import queue_connection_revocations
from webhooks.event_types import CONNECTION_DISCONNECTED

PAUSE = timedelta(hours=1)


@transaction.atomic
def disconnect(*, connection: Connection, by: Actor) -> None:
    """Forget the tokens, queue their revocation, tell. Records stay; twice is the same as once.

    Ending its open pull is the caller's, who sits above pulls.
    """
    locked = _lock(connection)
    if queue_connection_revocations(locked):
        wake(tasks.revoke_due)
    try:
        locked.end(Connection.Status.DISCONNECTED, failure_code=None)
    except TransitionRefused:
        return
    connection.refresh_from_db()
    _record("connection.disconnected", connection, by)
    emit_connection_event(CONNECTION_DISCONNECTED, connection)


@transaction.atomic
def queue_revocations(*, connection: Connection) -> int:
    """Have the connection's tokens revoked at its portal; the row itself is about to be erased. How many there were."""
    queued = queue_connection_revocations(_lock(connection))
    wake(tasks.revoke_due)
    return queued


@transaction.atomic
def refresh_now(*, connection: Connection, by: Actor) -> None:
    """Have the access token renewed at once. Raises ResourceConflict where there is nothing to renew."""
    if not connection.hurry():
        raise ResourceConflict("Only an active connection can be refreshed")
    _record("connection.refresh_requested", connection, by)
    wake(tasks.refresh, connection.pk)


@transaction.atomic
def advance(*, connection: Connection, seconds: int, by: Actor) -> None:
    """The sandbox's clock: have the connection live through the next `seconds`, refreshes, notices and ends included."""
    Advance.objects.create(connection=connection, seconds_left=seconds)
    _record("connection.advanced", connection, by, seconds=seconds)
    wake(tasks.live_through, connection.pk)


@transaction.atomic
def pause_portal(*, source: Source, by: Actor, reason: str, until: datetime | None = None) -> None:
    """Make no refresh and send no patient to this portal for a while (an hour unless told); `reason` is a slug of ours."""
    source.pause(until=until or timezone.now() + PAUSE, reason=reason)
    record(
        action="portal.paused", by=by, environment=source.environment, object_type="source", object_id=source.pk,
        reason=reason, until=source.paused_until.isoformat(),
    )  # fmt: skip


@transaction.atomic
def resume_portal(*, source: Source, by: Actor) -> None:
    """Make calls to this portal again; what was put off comes when its time comes, or when a pull asks."""
    source.resume()
    record(action="portal.resumed", by=by, environment=source.environment, object_type="source", object_id=source.pk)
    wake(tasks.refresh_due)


def probe_portal(*, source: Source, by: Actor) -> dict[str, Diagnosis | None]:
    """Look at this portal now: its discovery document, then each registration there. What is wrong, by registration id,
    with "discovery" for the document. Calls the portal: not in a transaction."""
    found = {"discovery": probing.probe(source)}
    if found["discovery"] is None:
        found |= preflights.preflight(source)
    record(
        action="portal.probed", by=by, environment=source.environment, object_type="source", object_id=source.pk,
        diagnoses=sorted({each.slug for each in found.values() if each}),
    )  # fmt: skip
    return found


@transaction.atomic
def follow_endpoints(*, source: Source, by: Actor) -> int:
    """An operator has asked the portal: its endpoints did move to another host, so grants made before go there from now
    on. How many connections."""
    configuration = discovery.kept_configuration(source)
    if configuration is None or configuration.refusal:
        raise ResourceConflict("Nothing usable is known of this portal's endpoints: probe it first")
    active = Connection.objects.filter(source=source, status=Connection.Status.ACTIVE)
    followed = active.update(configuration=configuration.to_dict(), updated_at=timezone.now())
    record(
        action="portal.endpoints_followed", by=by, environment=source.environment, object_type="source",
        object_id=source.pk, connections=followed,
    )  # fmt: skip
    source.distrust_configuration()
    return followed


@transaction.atomic
def move_portal(*, source: Source, successor: Source, moves_at: datetime, by: Actor) -> int:
    """Announce that another source takes over then: access to this one ends at that time, and each connection is told
    seven days before (`connection.expiring`, which names the successor). How many connections.

    Raises InvalidData for a successor that cannot be one.
    """
    if successor.pk == source.pk or successor.environment != source.environment or successor.successor_id == source.pk:
        raise InvalidData("The successor must be another source of the same environment", param="successor")
    source.move_to(successor, moves_at=moves_at)
    active = Connection.objects.filter(source=source, status=Connection.Status.ACTIVE)
    told = active.filter(Q(access_ends_at=None) | Q(access_ends_at__gt=moves_at)).update(
        access_ends_at=moves_at, expiry_announced_at=None, updated_at=timezone.now()
    )
    record(
        action="portal.moving", by=by, environment=source.environment, object_type="source", object_id=source.pk,
        successor_id=successor.pk, moves_at=moves_at.isoformat(), connections=told,
    )  # fmt: skip
    return told


@transaction.atomic
def cancel_move(*, source: Source, by: Actor) -> None:
    """The source stays after all: access ends no longer when it would have moved."""
    active = Connection.objects.filter(source=source, status=Connection.Status.ACTIVE, access_ends_at=source.moves_at)
    active.exclude(renewable=False).update(access_ends_at=None, expiry_announced_at=None, updated_at=timezone.now())
    source.move_to(None, moves_at=None)
    record(action="portal.stays", by=by, environment=source.environment, object_type="source", object_id=source.pk)


def register_portal(
    *, source: Source, by: Actor, method: str = "private_key_jwt", initial_access_token: str | None = None
) -> Registration:
    """Register an app at this portal by RFC 7591. Calls the portal: not in a transaction.

    Raises NoRegistration when it offers none, and SmartError when it refuses or is down.
    """
    configuration = discovery.configuration_of(source, fresh=True)
    return registrations.register_at(
        source=source, configuration=configuration, method=method, by=by, initial_access_token=initial_access_token
    )


def _lock(connection: Connection) -> Connection:
    rows = Connection.objects.select_for_update(of=("self",)).select_related("source", "registration", "patient")
    return rows.get(pk=connection.pk)


def _record(action: str, connection: Connection, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=connection.organization_id, environment=connection.environment,
        object_type="connection", object_id=connection.pk, **detail,
    )  # fmt: skip
