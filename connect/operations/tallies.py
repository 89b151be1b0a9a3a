"""Tallies: closed hours and days counted once, so that a month's overview reads thousands of rows and not millions.

What is newer than the last closed hour is counted from the rows themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from connect.operations.measures import Fact, Span, measure
from connect.operations.models import ClosedHour, Tally
from patientflows.models import PatientFlow

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KEPT_BY_THE_HOUR = timedelta(days=9)
LOOKED_BACK = timedelta(days=31)
# Rows are stamped before they commit: an hour is closed once nothing can be committed into it any more.
SETTLES_AFTER = timedelta(minutes=5)
MOST_AT_ONCE = 48
BATCH = 1000


@dataclass(frozen=True)
class Scope:
    """Whose facts: empty means everybody's. `organizations` is None for staff who may see all."""

    organizations: frozenset[str] | None = None
    environment: str = ""
    source_id: str = ""

    def admits(self, fact: Fact) -> bool:
        return (
            (self.organizations is None or fact.organization_id in self.organizations)
            and (not self.environment or fact.environment == self.environment)
            and (not self.source_id or fact.source_id in (self.source_id, ""))
        )

    def narrow(self, rows: QuerySet) -> QuerySet:
        if self.organizations is not None:
            rows = rows.filter(organization_id__in=self.organizations)
        if self.environment:
            rows = rows.filter(environment=self.environment)
        if self.source_id:
            rows = rows.filter(source_id__in=[self.source_id, ""])
        return rows


def start_of_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def closed_until() -> datetime | None:
    """The end of the last closed hour; None before the first is closed."""
    last = ClosedHour.objects.order_by("-at").values_list("at", flat=True).first()
    return last + HOUR if last else None


def close_hours(now: datetime | None = None) -> int:
    """Count every hour that is over and not counted yet, oldest first; returns how many were closed here."""
    now = now or timezone.now()
    hour = max(closed_until() or _first_hour(now), start_of_hour(now - LOOKED_BACK))
    closed = 0
    while hour + HOUR + SETTLES_AFTER <= now and closed < MOST_AT_ONCE:
        try:
            _close(hour)
        except IntegrityError:  # another worker is at this hour
            return closed
        hour, closed = hour + HOUR, closed + 1
    if closed:
        forget(now)
    return closed


def _first_hour(now: datetime) -> datetime:
    """The hour of the first flow: before it there is nothing to count."""
    first = PatientFlow.objects.order_by("pk").values_list("created_at", flat=True).first()
    return start_of_hour(first or now)


@transaction.atomic
def _close(hour: datetime) -> None:
    ClosedHour.objects.create(at=hour)
    facts = measure(Span(hour, hour + HOUR))
    Tally.objects.bulk_create((_tally(Tally.Grain.HOUR, hour, fact) for fact in facts), batch_size=BATCH)
    if (hour + HOUR).hour == 0:
        _close_day(hour + HOUR - DAY)


def _close_day(day: datetime) -> None:
    """Add a day's hours up."""
    hours = Tally.objects.filter(grain=Tally.Grain.HOUR, at__gte=day, at__lt=day + DAY)
    groups = hours.values("measure", "organization_id", "environment", "source_id", "outcome").annotate(
        total=Sum("count"), duration=Sum("milliseconds")
    )
    days = (
        _tally(Tally.Grain.DAY, day, Fact(at=day, count=row.pop("total"), milliseconds=row.pop("duration"), **row))
        for row in groups
    )
    Tally.objects.bulk_create(days, batch_size=BATCH)


def _tally(grain: str, at: datetime, fact: Fact) -> Tally:
    return Tally(
        grain=grain, at=at, measure=fact.measure, organization_id=fact.organization_id, environment=fact.environment,
        source_id=fact.source_id, outcome=fact.outcome, count=fact.count, milliseconds=fact.milliseconds,
    )  # fmt: skip


def forget(now: datetime) -> None:
    """Hours older than nine days are in their days; days older than a month are not shown any more."""
    Tally.objects.filter(grain=Tally.Grain.HOUR, at__lt=now - KEPT_BY_THE_HOUR).delete()
    Tally.objects.filter(grain=Tally.Grain.DAY, at__lt=now - LOOKED_BACK - DAY).delete()
    ClosedHour.objects.filter(at__lt=now - LOOKED_BACK - DAY).delete()


def facts(since: datetime, until: datetime, scope: Scope, *, by_day: bool) -> Iterator[Fact]:
    """Facts of the scope from `since` to `until`, closed ones from tallies and the rest counted now.

    `by_day`: buckets of a day (`since` is a midnight), else of an hour. Without closed hours all is counted now.
    """
    boundary = min(until, max(since, closed_until() or since))
    if since < boundary:
        yield from _tallied(since, boundary, scope, by_day)
    for fact in measure(Span(boundary, until)):
        if scope.admits(fact):
            yield replace(fact, at=_day(fact.at)) if by_day else fact


def _tallied(since: datetime, until: datetime, scope: Scope, by_day: bool) -> Iterator[Fact]:
    if not by_day:
        yield from _sums(scope, Tally.Grain.HOUR, since, until)
        return
    whole_days = _day(until)
    yield from _sums(scope, Tally.Grain.DAY, since, whole_days)
    for fact in _sums(scope, Tally.Grain.HOUR, whole_days, until):
        yield replace(fact, at=whole_days)


def _sums(scope: Scope, grain: str, since: datetime, until: datetime) -> Iterator[Fact]:
    rows = scope.narrow(Tally.objects.filter(grain=grain, at__gte=since, at__lt=until))
    grouped = rows.values("measure", "at", "outcome", "source_id")
    for row in grouped.annotate(total=Sum("count"), duration=Sum("milliseconds")).iterator():
        yield Fact(row["measure"], row["at"], "", "", row["source_id"], row["outcome"], row["total"], row["duration"])


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
