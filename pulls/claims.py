"""Who works on a pull: a lease that runs out and a fence that moves with every claim (DESIGN law 1).

A worker whose lease ran out may still be alive. Every write it makes is guarded by its fence, so it can do no harm.
"""

from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from pulls.models import Pull

LEASE = timedelta(seconds=90)
RENEW_AFTER = timedelta(seconds=20)


class LeaseLost(Exception):
    """Another worker has the pull, or it was canceled: stop, and write nothing more."""


def due(now):
    """Open pulls that nobody works on and whose time has come."""
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return Pull.objects.filter(free, status__in=Pull.OPEN, due_at__lte=now)


def claim(pull_id: str) -> Pull | None:
    """Take a due pull; None when it is not due, or another worker was quicker."""
    now = timezone.now()
    pull = (
        due(now).select_related("connection__source", "connection__registration", "patient").filter(pk=pull_id).first()
    )
    if pull is None:
        return None
    taken = due(now).filter(pk=pull.pk, fence=pull.fence).update(
        status=Pull.Status.RUNNING, fence=F("fence") + 1, leased_until=now + LEASE, tries=F("tries") + 1,
        started_at=pull.started_at or now, waiting_for="", updated_at=now,
    )  # fmt: skip
    if taken != 1:
        return None
    pull.refresh_from_db(fields=["status", "fence", "leased_until", "tries", "started_at", "waiting_for"])
    return pull


def mine(pull: Pull) -> dict:
    """The guard of every write: the pull is still running, under our fence."""
    return {"fence": pull.fence, "status": Pull.Status.RUNNING}


def hold(pull: Pull, **changes) -> None:
    """Renew the lease, with `changes` to the pull's columns; raises LeaseLost.

    Every transaction that writes for a pull calls it (after locking the patient's head row, where it does): the pull's
    row is then locked, so a cancel waits for the page, or the page finds that it was canceled and is rolled back.
    """
    changes |= {"leased_until": timezone.now() + LEASE}
    if not pull.amend(only_if=mine(pull), **changes):
        raise LeaseLost(pull.pk)


def renew_if_old(pull: Pull) -> None:
    """Keep the lease alive between pages."""
    if pull.leased_until - timezone.now() < LEASE - RENEW_AFTER:
        hold(pull)
