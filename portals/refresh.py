"""One refresh of one connection: claim, ask, settle (DESIGN 4, "Refresh").

At most one is in flight for a connection, whatever the number of workers: the claim is a lease with a fence, and every
write after it carries the fence. Before the request goes out the row says `sent`; a worker that dies in between leaves a
row that is due again and `uncertain`: the token is sent once more, in the hope of the portal's grace, and a refusal then
honestly ends as a reconnect.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from portals import circuits, discovery, registrations
from portals.exchanges import Request, ask
from portals.models import Connection
from portals.settling import lapse, put_off_without_credentials, settle
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import PortalMisconfigured, PortalUnavailable

# A token request takes 30 s at most (outbound.PORTAL_TOKEN), and may wait as long for a thread.
LEASE = timedelta(seconds=90)


def refresh_connection(connection_id: str, *, rejected_version: int | None = None) -> bool:
    """Refresh one connection now; False when another worker holds it, or it is not due.

    `rejected_version` refreshes ahead of time: the portal refused that access token, and it is still the newest. Raises
    SmartError when the refresh was put off or ended access instead; the row says so by then.
    """
    claimed = claim([connection_id], rejected_version=rejected_version)
    if not claimed:
        return False
    requests = prepare(claimed)
    if not requests:
        raise PortalUnavailable("portal_left_alone")
    answer = ask(requests[0])
    settle(answer)
    if answer.error:
        raise answer.error
    return True


@transaction.atomic
def claim(connection_ids: list[str], *, rejected_version: int | None = None) -> list[Connection]:
    """Lease these connections; those that are not due or that another worker holds are left out."""
    now = timezone.now()
    locked = _wanted(now, rejected_version).select_for_update(skip_locked=True, of=("self",))
    wanted = locked.filter(pk__in=connection_ids).select_related("source", "registration")
    found = list(wanted.defer("source__capabilities"))
    until = now + LEASE
    Connection.objects.filter(pk__in=[row.pk for row in found if row.refresh_token]).lease(until=until)
    for row in found:
        if row.refresh_token:
            _remember_lease(row, until)
    return found


def _wanted(now: datetime, rejected_version: int | None):
    if rejected_version is None:
        return Connection.objects.due(now)
    return Connection.objects.free(now).filter(status=Connection.Status.ACTIVE, token_version=rejected_version)


def _remember_lease(row: Connection, until: datetime) -> None:
    """The row in memory as `lease` has left it: `uncertain` when an earlier request's answer was lost."""
    row.refresh_state = Connection.Refresh.UNCERTAIN if row.is_refresh_uncertain else Connection.Refresh.SENT
    row.fence, row.leased_until, row.refresh_due_at = row.fence + 1, until, until


def prepare(claimed: list[Connection], *, known: set[str] | None = None) -> list[Request]:
    """The requests to send for what was claimed. What has nothing to send is settled here: lapsed access ends, and a
    portal that is to be left alone is put off. `known`: `circuits.known()`, where the caller has it."""
    now, requests = timezone.now(), []
    known = circuits.known() if known is None else known
    for connection in claimed:
        if _has_ended(connection, now):
            lapse(connection)
        elif wait := _when_allowed(connection, now, known):
            connection.amend(only_if=connection.held(connection.fence), refresh_due_at=wait, **_unsent(connection))
        elif request := _request(connection, known):
            requests.append(request)
    return requests


def _has_ended(connection: Connection, now: datetime) -> bool:
    """Whether access is over by the clock: it cannot be renewed, or consent had a known end that has come."""
    return connection.refresh_token is None or bool(connection.access_ends_at and connection.access_ends_at <= now)


def _when_allowed(connection: Connection, now: datetime, known: set[str]) -> datetime | None:
    if connection.source.is_paused:
        return connection.source.paused_until
    return circuits.admit(connection, now, known)


def _unsent(connection: Connection) -> dict:
    """Nothing went out after all: back to what was known before the claim."""
    uncertain = connection.refresh_state == Connection.Refresh.UNCERTAIN
    state = Connection.Refresh.UNCERTAIN if uncertain else Connection.Refresh.IDLE
    return {"leased_until": None, "refresh_state": state}


def _request(connection: Connection, known: set[str]) -> Request | None:
    pinned = SmartConfiguration.from_dict({"fhir_base_url": connection.source_id} | connection.configuration)
    try:
        credentials = registrations.credentials_or_fault(connection.registration)
    except PortalMisconfigured:
        put_off_without_credentials(connection)
        return None
    endpoint = discovery.token_endpoint(connection.source, pinned)
    has_circuit = not known.isdisjoint({circuits.key_of(connection.source), connection.registration_id})
    return Request(connection, endpoint, credentials, connection.refresh_token, has_circuit)
