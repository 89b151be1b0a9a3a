"""What people and API clients ask of connections and portals."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.background import wake
from connect.errors import ResourceConflict
from connect.states import TransitionRefused
from portals import tasks
from portals.models import Advance, Connection, Source
from portals.payloads import emit_connection_event
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


def _lock(connection: Connection) -> Connection:
    rows = Connection.objects.select_for_update(of=("self",)).select_related("source", "registration", "patient")
    return rows.get(pk=connection.pk)


def _record(action: str, connection: Connection, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=connection.organization_id, environment=connection.environment,
        object_type="connection", object_id=connection.pk, **detail,
    )  # fmt: skip
