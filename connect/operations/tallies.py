"""Tallies: closed hours and days counted once, so that a month's overview reads thousands of rows and not millions.

What is newer than the last closed hour is counted from the rows themselves.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Sum
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
# In place of an organisation or a source: added up over all of them.
ALL = "*"


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

    def narrow(self, rows: QuerySet, by: tuple[str, ...]) -> QuerySet:
        """The tallies that answer it, the most added up that can."""
        whole_sources = not self.source_id and "source_id" not in by
        if whole_sources:
            rows = rows.filter(source_id=ALL)
        elif self.source_id:
            rows = rows.filter(source_id__in=[self.source_id, ""])
        if self.organizations is not None:
            rows = rows.filter(organization_id__in=self.organizations)
        elif "organization_id" in by:
            rows = rows.exclude(organization_id=ALL)
        else:
            rows = rows.filter(organization_id=ALL)
        if not whole_sources:
            rows = rows.exclude(source_id=ALL)
        return rows.filter(environment=self.environment) if self.environment else rows


@dataclass(frozen=True)
class Total:
    """How often, and how long altogether where it has a duration."""

    count: int = 0
    milliseconds: int = 0

    def __add__(self, other: "Total") -> "Total":
        return Total(self.count + other.count, self.milliseconds + other.milliseconds)

    @property
    def mean_ms(self) -> int | None:
        return round(self.milliseconds / self.count) if self.count else None


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
    facts = _with_sums(measure(Span(hour, hour + HOUR)))
    Tally.objects.bulk_create((_tally(Tally.Grain.HOUR, hour, fact) for fact in facts), batch_size=BATCH)
    if (hour + HOUR).hour == 0:
        _close_day(hour + HOUR - DAY)


def _with_sums(facts: Iterable[Fact]) -> Iterator[Fact]:
    """The facts, and what they add up to over all sources, over all organisations, and over both."""
    sums: Counter[Fact] = Counter()
    durations: Counter[Fact] = Counter()
    for fact in facts:
        yield fact
        for over in ({"source_id": ALL}, {"organization_id": ALL}, {"source_id": ALL, "organization_id": ALL}):
            key = replace(fact, count=0, milliseconds=0, **over)
            sums[key] += fact.count
            durations[key] += fact.milliseconds
    for key, count in sums.items():
        yield replace(key, count=count, milliseconds=durations[key])


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


def by_source(measure: str, source_ids: Iterable[str], *, since: datetime, until: datetime) -> Counter[str]:
    """How often it came at each of these sources within closed hours, whatever the outcome."""
    rows = Tally.objects.filter(
        grain=Tally.Grain.HOUR, source_id__in=list(source_ids), organization_id=ALL, at__gte=since, at__lt=until,
        measure=measure,
    )  # fmt: skip
    return Counter(dict(rows.values_list("source_id").annotate(Sum("count"))))


@dataclass
class Period:
    """What happened from `since` to `until` in a scope: closed hours and days from tallies, the rest counted once.

    `by_day`: buckets of a day (`since` is a midnight), else of an hour.
    """

    since: datetime
    until: datetime
    scope: Scope
    by_day: bool = False
    fresh: list[Fact] = field(init=False)
    boundary: datetime = field(init=False)

    def __post_init__(self):
        self.boundary = min(self.until, max(self.since, closed_until() or self.since))
        self.fresh = [fact for fact in measure(Span(self.boundary, self.until)) if self.scope.admits(fact)]

    def totals(self, *by: str, only: "Only | None" = None) -> dict[tuple, Total]:
        """Totals by measure, outcome and the columns `by` (`at`, `source_id`, `organization_id`, `environment`)."""
        only = only or Only()
        found: dict[tuple, Total] = defaultdict(Total)
        for row in self._tallied(by, only):
            found[row[:-2]] += Total(row[-2], row[-1])
        for fact in self.fresh:
            if only.admits(fact):
                told = replace(fact, at=_day(fact.at)) if self.by_day else fact
                key = (told.measure, told.outcome, *(getattr(told, column) for column in by))
                found[key] += Total(fact.count, fact.milliseconds)
        return dict(found)

    def _tallied(self, by: tuple[str, ...], only: "Only") -> Iterator[tuple]:
        if self.since >= self.boundary:
            return
        for grain, since, until in self._stretches(by):
            for row in self._sums(grain, since, until, by, only):
                yield self._within_its_day(row, by)

    def _stretches(self, by: tuple[str, ...]) -> Iterator[tuple[str, datetime, datetime]]:
        """Whole days where nobody asks for hours, hours before and after them."""
        first, last = _day(self.since + DAY - timedelta(microseconds=1)), _day(self.boundary)
        if first >= last or not (self.by_day or "at" not in by):
            yield Tally.Grain.HOUR, self.since, self.boundary
            return
        yield Tally.Grain.HOUR, self.since, first
        yield Tally.Grain.DAY, first, last
        yield Tally.Grain.HOUR, last, self.boundary

    def _within_its_day(self, row: tuple, by: tuple[str, ...]) -> tuple:
        if not self.by_day or "at" not in by:
            return row
        place = 2 + by.index("at")
        return (*row[:place], _day(row[place]), *row[place + 1 :])

    def _sums(self, grain: str, since: datetime, until: datetime, by, only: "Only") -> Iterator[tuple]:
        if since >= until:
            return
        rows = only.narrow(self.scope.narrow(Tally.objects.filter(grain=grain, at__gte=since, at__lt=until), by))
        columns = ("measure", "outcome", *by)
        grouped = rows.values(*columns).annotate(_total=Sum("count"), _duration=Sum("milliseconds"))
        yield from grouped.values_list(*columns, "_total", "_duration")  # a cursor would be planned for its first rows


@dataclass(frozen=True)
class Only:
    """Of a period's facts only these: `(measure, outcome)` pairs, outcome None for all of the measure's; and sources."""

    kinds: tuple[tuple[str, str | None], ...] = ()
    sources: tuple[str, ...] = ()

    def admits(self, fact: Fact) -> bool:
        is_kind = any(fact.measure == name and outcome in (None, fact.outcome) for name, outcome in self.kinds)
        return (not self.kinds or is_kind) and (not self.sources or fact.source_id in self.sources)

    def narrow(self, rows: QuerySet) -> QuerySet:
        chosen = Q()
        for name, outcome in self.kinds:
            chosen |= Q(measure=name) if outcome is None else Q(measure=name, outcome=outcome)
        rows = rows.filter(chosen)
        return rows.filter(source_id__in=self.sources) if self.sources else rows


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
