"""Access tokens for those who call portals: as they stand in their row, or fresh when a portal refused one.

Every request, or run of requests of a moment, reads the token anew, since a refresh may kill the old one at once
(smart-fhir.md 7.6, `pull-access-token-killed-by-other-refresh`).
"""

import time
from dataclasses import dataclass, field

from django.utils import timezone

from portals.models import Connection
from portals.refresh import refresh_connection
from portals.settling import lapse
from portals.smart.errors import PortalUnavailable, SmartError

# As long as a token request of another worker can take.
WAIT_SECONDS = 35
POLL_SECONDS = 0.1


class AccessLost(Exception):
    """The connection is active no longer: only the patient can bring access back."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token, and which one it is: the version moves with every new one."""

    token: str = field(repr=False)
    version: int


def access_token(connection_id: str) -> AccessToken:
    """The token as its row has it now; that of a grant just taken over is fetched first. Raises AccessLost, SmartError."""
    row = _row(connection_id, "access_token", "refresh_token", "token_version")
    if row.access_token is None and row.refresh_token is not None:
        return fresh_access_token(connection_id, rejected_version=row.token_version)
    return _token_of(row)


def fresh_access_token(connection_id: str, *, rejected_version: int) -> AccessToken:
    """A newer token than the one the portal refused.

    Refreshes, or waits for the worker that is refreshing and uses its result. Raises AccessLost, and SmartError while
    the portal's token endpoint cannot be had.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while (row := _row(connection_id)).token_version == rejected_version:
        if row.refresh_token is None:
            lapse(row)
        elif not _refreshed(row) and time.monotonic() > deadline:
            raise PortalUnavailable("refresh_under_way")
    return _token_of(row)


def _refreshed(row: Connection) -> bool:
    """Try to refresh; False after a moment's wait where another worker is at it."""
    _respect_put_off(row)
    try:
        if refresh_connection(row.pk, rejected_version=row.token_version):
            return True
    except SmartError:
        _row(row.pk)
        raise
    time.sleep(POLL_SECONDS)
    return False


def _respect_put_off(row: Connection) -> None:
    """A refresh that failed is not tried again before its time, however many requests want a token."""
    now = timezone.now()
    if row.refresh_failures and row.leased_until is None and row.refresh_due_at and row.refresh_due_at > now:
        wait = (row.refresh_due_at - now).total_seconds()
        raise PortalUnavailable(row.refresh_error or "put_off", retry_after_seconds=wait)


def _row(connection_id: str, *columns: str) -> Connection:
    """The active connection, or only these columns of it: it is read before every call. Raises AccessLost."""
    row = Connection.objects.filter(pk=connection_id, status=Connection.Status.ACTIVE).only(*columns).first()
    if row is None:
        raise AccessLost(connection_id)
    return row


def _token_of(row: Connection) -> AccessToken:
    if row.access_token is None:
        raise AccessLost(row.pk)
    return AccessToken(row.access_token, row.token_version)
