"""Carrying out revocations (RFC 7009): claimed by lease, repeated until the portal has answered or a week is over."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from portals import registrations, timing
from portals.keys import NoSigningKey
from portals.models import Revocation
from portals.smart import revocation as smart_revocation
from portals.smart.assertions import ClientCredentials
from portals.smart.errors import PortalMisconfigured, RevocationUnsupported, SmartError

log = structlog.get_logger(__name__)

BATCH = 50
THREADS = 8
LEASE = timedelta(seconds=120)


def revoke_due() -> bool:
    """Carry out what is due, one batch; True when there may be more."""
    claimed = claim()
    prepared = [(revocation, _credentials(revocation)) for revocation in claimed]
    with ThreadPoolExecutor(THREADS, thread_name_prefix="revoke") as threads:
        outcomes = list(threads.map(lambda pair: _ask(*pair), prepared))
    for revocation, error in zip(claimed, outcomes, strict=True):
        settle(revocation, error)
    return len(claimed) == BATCH


@transaction.atomic
def claim() -> list[Revocation]:
    """Lease the longest due that no worker holds."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    due = Revocation.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        free, settled_at=None, due_at__lte=now
    )
    rows = list(due.select_related("registration").order_by("due_at")[:BATCH])
    until = now + LEASE
    Revocation.objects.filter(pk__in=[row.pk for row in rows]).update(
        fence=F("fence") + 1, leased_until=until, due_at=until
    )
    for row in rows:
        row.fence += 1
    return rows


def _credentials(revocation: Revocation) -> ClientCredentials | None:
    try:
        return registrations.credentials(revocation.registration)
    except (NoSigningKey, ValueError):
        log.error("revocation.no_credentials", registration_id=revocation.registration_id)
        return None


def _ask(revocation: Revocation, credentials: ClientCredentials | None) -> SmartError | None:
    if credentials is None:
        return PortalMisconfigured("no_credentials")
    try:
        smart_revocation.revoke(
            revocation_endpoint=revocation.endpoint, token_endpoint=revocation.token_endpoint, credentials=credentials,
            token=revocation.token, token_type_hint=revocation.token_type,
        )  # fmt: skip
    except SmartError as error:
        return error
    return None


def settle(revocation: Revocation, error: SmartError | None) -> None:
    """Done, given up, or again later. What the portal cannot do, it will not be able to do tomorrow."""
    now = timezone.now()
    if error is None:
        revocation.settle()
    elif isinstance(error, RevocationUnsupported) or now - revocation.created_at > Revocation.LIFETIME:
        log.warning("revocation.given_up", connection_id=revocation.connection_id, reason=error.reason)
        revocation.settle(outcome=error.reason)
    else:
        due_at = timing.retry_at(now, revocation.attempts, asked_seconds=error.retry_after_seconds)
        revocation.put_off(due_at=due_at, reason=error.reason)
