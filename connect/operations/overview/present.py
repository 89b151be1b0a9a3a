"""What is so at this moment: pulls under way, work that is due, who is alive, access that is about to lapse."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, F, When
from django.db.models.functions import TruncDate

from connect.operations import heartbeats
from connect.operations.due_work import COUNTED_UP_TO, backlogs
from connect.operations.models import Alert
from connect.operations.overview.choices import Choice
from portals.models import Connection
from pulls.models import Pull
from webhooks.models import Event

AHEAD = timedelta(days=7)
ALERTS_SHOWN = 8


@dataclass(frozen=True)
class Lapsing:
    """How many connections lapse on a day unless the patient comes back."""

    day: datetime
    count: int


def pulls_open(choice: Choice) -> dict[str, int]:
    """Pulls queued, running and waiting."""
    rows = choice.narrow(Pull.objects.filter(status__in=Pull.OPEN), source="connection__source_id")
    counted = dict(rows.order_by().values_list("status").annotate(Count("pk")))
    return {status: counted.get(status, 0) for status in Pull.OPEN}


def refreshes_failing(choice: Choice) -> int:
    """Active connections whose last refresh failed: they are tried again."""
    return choice.narrow(Connection.objects.refreshes_failing(), source="source_id").order_by()[:COUNTED_UP_TO].count()


def undelivered(choice: Choice) -> int:
    rows = choice.narrow(Event.objects.filter(status=Event.Status.PENDING))
    return rows.order_by()[:COUNTED_UP_TO].count()


def lapsing(choice: Choice, now: datetime) -> list[Lapsing]:
    """Access that ends within a week: consents with a known end, and tokens that cannot be renewed, by day."""
    rows = Connection.objects.lapsing(now, now + AHEAD)
    # A renewable token's own expiry ends nothing: only the consent's end counts then.
    day = TruncDate(
        Case(When(renewable=False, access_expires_at__gt=now, then=F("access_expires_at")), default=F("access_ends_at"))
    )
    counted = (
        choice.narrow(rows, source="source_id").order_by().annotate(day=day).values_list("day").annotate(Count("pk"))
    )
    by_day = dict(counted)
    days = [(now + timedelta(days=ahead)).date() for ahead in range(AHEAD.days + 1)]
    return [Lapsing(one, by_day.get(one, 0)) for one in days]


def open_alerts(choice: Choice) -> list[Alert]:
    rows = Alert.objects.filter(status=Alert.Status.OPEN)
    if choice.scope.organizations is not None:
        rows = rows.filter(organization_id__in=choice.scope.organizations)
    return list(rows.order_by("-pk")[:ALERTS_SHOWN])


def engine() -> dict:
    """Queues and workers: of the installation, so only for who sees everything."""
    return {"backlogs": backlogs(), "signs": heartbeats.signs()}
