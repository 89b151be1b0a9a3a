"""Carrying out revocations (RFC 7009): claimed by lease, repeated until the portal has answered or a week is over."""

import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from portals import registrations, timing
from portals.models import Revocation
from portals.smart import revocation as smart_revocation
from portals.smart.assertions import ClientCredentials
from portals.smart.errors import PortalMisconfigured, PortalUnavailable, RevocationUnsupported, SmartError

log = structlog.get_logger(__name__)

BATCH = 24
THREADS = 12
# One portal's share in turn, each call with the 30 s of outbound.PORTAL_TOKEN, with room.
LEASE = timedelta(seconds=180)
CANDIDATES = 500
PER_SOURCE = 4


def revoke_due() -> bool:
    """Carry out what is due, one batch; True when there may be more. Portals side by side, one portal's in turn: some
    stumble over both tokens of a grant at once."""
    by_source = defaultdict(list)
    for revocation in claim(_fair_share()):
        by_source[revocation.source_id].append((revocation, _credentials(revocation)))
    with ThreadPoolExecutor(THREADS, thread_name_prefix="revoke") as threads:
        for outcomes in threads.map(_ask_all, by_source.values()):
            for revocation, error in outcomes:
                settle(revocation, error)
    return bool(by_source)


def _due():
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return Revocation.objects.filter(free, settled_at=None, due_at__lte=now)


def _fair_share() -> list[str]:
    """The longest due, a few a source: one dead portal's do not hold up the others'."""
    chosen, share = [], Counter()
    for pk, source_id in _due().order_by("due_at", "pk").values_list("pk", "source_id")[:CANDIDATES]:
        if share[source_id] < PER_SOURCE and len(chosen) < BATCH:
            share[source_id] += 1
            chosen.append(pk)
    return chosen


@transaction.atomic
def claim(ids: list[str]) -> list[Revocation]:
    """Lease those of them that no worker holds."""
    due = _due().select_for_update(skip_locked=True, of=("self",)).filter(pk__in=ids)
    rows = list(due.select_related("registration", "source").order_by("due_at", "pk"))
    until = timezone.now() + LEASE
    Revocation.objects.filter(pk__in=[row.pk for row in rows]).update(
        fence=F("fence") + 1, leased_until=until, due_at=until
    )
    for row in rows:
        row.fence += 1
    return rows


def _credentials(revocation: Revocation) -> ClientCredentials | None:
    try:
        return registrations.credentials_or_fault(revocation.registration)
    except PortalMisconfigured:
        return None


def _ask_all(prepared: list) -> list[tuple[Revocation, SmartError | None]]:
    return [(revocation, _ask(revocation, credentials)) for revocation, credentials in prepared]


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
    except Exception as error:  # noqa: BLE001 (one token's surprise must not hold up the others)
        log.error("revocation.surprise", connection_id=revocation.connection_id, error=type(error).__name__)
        return PortalUnavailable("internal_error")
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
        if isinstance(error, PortalUnavailable):
            _put_off_siblings(revocation, due_at)


def _put_off_siblings(revocation: Revocation, due_at: datetime) -> None:
    """The portal does not answer: its other tokens wait as long, a batch at a time."""
    siblings = list(_due().filter(source=revocation.source_id).values_list("pk", flat=True)[:CANDIDATES])
    _due().filter(pk__in=siblings).update(due_at=due_at + timedelta(seconds=random.uniform(1, 60)))
