"""The sandbox's clock: a connection lives through its future in one call (contract 7, "More").

What lies ahead is brought nearer step by step, and at each step what is due then is done for real: the refresh is a real
call to the portal, the notice a real event. A pull that falls due is found by the pulls' own sweep.
"""

from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from portals import timing
from portals.models import Advance, Connection
from portals.refresh import refresh_connection
from portals.settling import lapse
from portals.smart.errors import SmartError
from portals.sweep import announce

# A year of hourly tokens is not refreshed eight thousand times: after so many steps the rest passes at once.
MOST_STEPS = 40


def live_through(connection_id: str) -> None:
    """Spend every advance of this connection. A worker that dies leaves the rest on the row, for the next call."""
    for _ in range(MOST_STEPS):
        if not _step(connection_id, whole=False):
            return
        _do_what_is_due(connection_id)
    while _step(connection_id, whole=True):
        _do_what_is_due(connection_id)


@transaction.atomic
def _step(connection_id: str, *, whole: bool) -> bool:
    """Bring the next thing that happens nearer, as far as the seconds reach; False when none are left."""
    advance = Advance.objects.select_for_update().filter(connection_id=connection_id).order_by("pk").first()
    if advance is None:
        return False
    connection = Connection.objects.select_for_update().get(pk=connection_id)
    seconds = advance.seconds_left if whole else min(advance.seconds_left, _until_next(connection))
    connection.shift(seconds)
    advance.spend(seconds)
    return True


def _until_next(connection: Connection) -> int:
    """Seconds to the next refresh, notice or end; a year where nothing lies ahead."""
    now = timezone.now()
    moments = [connection.refresh_due_at, connection.access_ends_at]
    if connection.access_ends_at and not connection.expiry_announced_at:
        moments.append(connection.access_ends_at - timing.EXPIRY_NOTICE)
    ahead = [(moment - now).total_seconds() for moment in moments if moment and moment > now]
    return int(min(ahead, default=366 * 24 * 3600)) + 1


def _do_what_is_due(connection_id: str) -> None:
    connection = Connection.objects.select_related("patient").get(pk=connection_id)
    if not connection.is_active:
        return
    now = timezone.now()
    if connection.access_ends_at and connection.access_ends_at <= now:
        lapse(connection)
        return
    is_near = connection.access_ends_at and connection.access_ends_at <= now + timing.EXPIRY_NOTICE
    if is_near and not connection.expiry_announced_at:
        announce(connection)
    with suppress(SmartError):
        refresh_connection(connection_id)
