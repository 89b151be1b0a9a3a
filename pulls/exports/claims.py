"""Who works on an export: a lease that runs out and a fence that moves with every claim (as pulls.claims)."""

from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from pulls.exports.models import Export

# A load of 48 MB must reach a slow bucket within it.
LEASE = timedelta(minutes=5)


class LeaseLost(Exception):
    """Another worker has the export: stop, and write nothing more."""


def due(now):
    """Open exports that nobody works on and whose time has come."""
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    return Export.objects.filter(free, status__in=Export.OPEN, due_at__lte=now)


def claim(export_id: str) -> Export | None:
    """Take a due export; None when it is not due, or another worker was quicker."""
    now = timezone.now()
    export = due(now).select_related("destination").filter(pk=export_id).first()
    if export is None:
        return None
    taken = due(now).filter(pk=export.pk, fence=export.fence).update(
        status=Export.Status.RUNNING, fence=F("fence") + 1, leased_until=now + LEASE, tries=F("tries") + 1,
        started_at=export.started_at or now, waiting_for="", updated_at=now,
    )  # fmt: skip
    if taken != 1:
        return None
    export.refresh_from_db(fields=["status", "fence", "leased_until", "tries", "started_at", "waiting_for"])
    return export


def mine(export: Export) -> dict:
    """The guard of every write: the export is still running, under our fence."""
    return {"fence": export.fence, "status": Export.Status.RUNNING}


def hold(export: Export, **changes) -> None:
    """Renew the lease, with `changes` to the row; raises LeaseLost."""
    if not export.amend(only_if=mine(export), leased_until=timezone.now() + LEASE, **changes):
        raise LeaseLost(export.pk)
