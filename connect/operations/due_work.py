"""Every kind of work that is a row due at a time (DESIGN law 1): how much is due, and since when the oldest waits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from connect.operations.models import Notice
from patientflows.models import Attempt, PatientFlow
from portals.models import Connection, DirectoryUpdate, Logo, Revocation
from pulls.exports.models import Erasure, Export
from pulls.models import Pull
from webhooks.models import Event

COUNTED_UP_TO = 10_000


@dataclass(frozen=True)
class Backlog:
    """Work of one kind that is due and that nobody has taken."""

    kind: str
    queue: str
    count: int
    oldest_at: datetime | None

    @property
    def age_seconds(self) -> float:
        return max(0.0, (timezone.now() - self.oldest_at).total_seconds()) if self.oldest_at else 0.0

    @property
    def is_capped(self) -> bool:
        return self.count >= COUNTED_UP_TO


@dataclass(frozen=True)
class Kind:
    """Where to look for one kind of due work: rows, and the column that says since when they are due."""

    name: str
    queue: str
    column: str
    rows: Callable[[datetime], QuerySet]

    def measure(self, now: datetime) -> Backlog:
        due = self.rows(now).filter(**{f"{self.column}__lte": now}).order_by(self.column)
        times = due.values_list(self.column, flat=True)
        oldest = times.first()
        count = times[:COUNTED_UP_TO].count() if oldest else 0
        return Backlog(self.name, self.queue, count, oldest)


def _free(now: datetime) -> Q:
    return Q(leased_until=None) | Q(leased_until__lte=now)


KINDS = (
    Kind("pulls", "pulls", "due_at", lambda now: Pull.objects.filter(_free(now), status__in=Pull.OPEN)),
    Kind("exports", "exports", "due_at", lambda now: Export.objects.filter(_free(now), status__in=Export.OPEN)),
    Kind("erasures from exports", "exports", "due_at", lambda now: Erasure.objects.all()),
    Kind("token refreshes", "refresh", "refresh_due_at",
         lambda now: Connection.objects.filter(_free(now), status=Connection.Status.ACTIVE)),
    Kind("revocations", "refresh", "due_at", lambda now: Revocation.objects.filter(_free(now), settled_at=None)),
    Kind("logos to fetch", "refresh", "due_at", lambda now: Logo.objects.all()),
    Kind("directories to update", "exports", "due_at", DirectoryUpdate.objects.due),
    Kind("deliveries", "webhooks", "next_attempt_at", lambda now: Event.objects.filter(status=Event.Status.PENDING)),
    Kind("flows to expire", "flows", "expires_at",
         lambda now: PatientFlow.objects.filter(status=PatientFlow.Status.OPEN)),
    Kind("alert messages", "flows", "due_at", Notice.objects.due),
    Kind("attempts to end", "flows", "expires_at", lambda now: Attempt.objects.filter(status=Attempt.Status.PENDING)),
)  # fmt: skip


def backlogs(now: datetime | None = None) -> list[Backlog]:
    """The backlog of every kind of work."""
    now = now or timezone.now()
    return [kind.measure(now) for kind in KINDS]
