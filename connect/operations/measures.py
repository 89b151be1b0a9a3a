"""What is counted for the overview, each from rows that do not change any more, so that a closed hour stays as it is.

A measure is one grouped query over a span of time; it answers Facts that add up.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import Case, Count, F, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce, Trunc

from connect import ids
from patientflows.models import PatientFlow, Step
from portals.models import Connection
from pulls.models import Pull
from webhooks.models import Delivery

LATENCY_BOUNDS_MS = (50, 100, 200, 500, 1000, 2000, 5000)
SLOWER = "slower"
NOTHING, ROWS = Value(""), Count("pk")


class Measure(StrEnum):
    """The names under which counts are kept."""

    FLOW_CREATED = "flow_created"
    STEP = "step"
    PULL = "pull"
    FIRST_RECORD = "first_record"
    ACCESS_LOST = "access_lost"
    DELIVERY = "delivery"
    DELIVERY_LATENCY = "delivery_latency"


@dataclass(frozen=True, slots=True)
class Fact:
    """So many of one outcome within one bucket of time; `milliseconds` is their sum where they have a duration."""

    measure: str
    at: datetime
    organization_id: str
    environment: str
    source_id: str
    outcome: str
    count: int
    milliseconds: int = 0


@dataclass(frozen=True)
class Span:
    """From `since` up to but not including `until`, in buckets of an `hour` or a `minute`."""

    since: datetime
    until: datetime
    bucket: str = "hour"

    def of(self, column: str) -> dict:
        return {f"{column}__gte": self.since, f"{column}__lt": self.until}


def measure(span: Span) -> Iterator[Fact]:
    """Every measure over the span, straight from the rows."""
    for query in QUERIES:
        yield from query(span)


def flows_created(span: Span) -> Iterator[Fact]:
    rows = PatientFlow.objects.filter(
        pk__gte=ids.oldest_id("pf", span.since), pk__lt=ids.oldest_id("pf", span.until)
    )  # ids sort by time
    yield from _facts(Measure.FLOW_CREATED, rows, span, column="created_at", outcome=Value(""))


def steps(span: Span) -> Iterator[Fact]:
    """How many flows took each step: the funnel, flows by outcome, and attempts by outcome and source."""
    rows = Step.objects.filter(kind__in=Step.Kind.values, **span.of("at"))
    yield from _facts(
        Measure.STEP, rows, span, column="at", outcome=F("kind"), owner="flow__", source=F("source_id"),
        count=Count("flow_id", distinct=True),
    )  # fmt: skip


def pulls(span: Span) -> Iterator[Fact]:
    """Pulls that ended, by status; `milliseconds` from start to end."""
    rows = Pull.objects.filter(**span.of("finished_at"))
    yield from _facts(
        Measure.PULL, rows, span, column="finished_at", outcome=F("status"), source=F("connection__source_id"),
        duration=F("finished_at") - Coalesce("started_at", "finished_at"),
    )  # fmt: skip


def first_records(span: Span) -> Iterator[Fact]:
    """Connections whose first record landed; `milliseconds` from the making of the pull."""
    rows = Pull.objects.filter(trigger=Pull.Trigger.CONNECTED, **span.of("first_record_at"))
    yield from _facts(
        Measure.FIRST_RECORD, rows, span, column="first_record_at", outcome=Value(""),
        source=F("connection__source_id"), duration=F("first_record_at") - F("created_at"),
    )  # fmt: skip


def access_lost(span: Span) -> Iterator[Fact]:
    """Connections whose access ended by itself, by failure code."""
    rows = Connection.objects.filter(**span.of("failure_at"))
    yield from _facts(
        Measure.ACCESS_LOST, rows, span, column="failure_at", outcome=Coalesce("failure_code", Value("")),
        source=F("source_id"),
    )  # fmt: skip


def deliveries(span: Span) -> Iterator[Fact]:
    """Delivery attempts, by `ok` or why not; `milliseconds` is how long they took."""
    rows = Delivery.objects.filter(**span.of("started_at"))
    outcome = Case(When(error="", then=Value("ok")), default=F("error"))
    yield from _facts(
        Measure.DELIVERY, rows, span, column="started_at", outcome=outcome, owner="event__", total=Sum("duration_ms")
    )


def latencies(span: Span) -> Iterator[Fact]:
    """Successful attempts by the bound their duration stays under: what percentiles are read from."""
    rows = Delivery.objects.filter(error="", **span.of("started_at"))
    whens = [When(duration_ms__lte=bound, then=Value(str(bound))) for bound in LATENCY_BOUNDS_MS]
    outcome = Case(*whens, default=Value(SLOWER))
    yield from _facts(Measure.DELIVERY_LATENCY, rows, span, column="started_at", outcome=outcome, owner="event__")


QUERIES: tuple[Callable[[Span], Iterator[Fact]], ...] = (
    flows_created, steps, pulls, first_records, access_lost, deliveries, latencies,
)  # fmt: skip


def _facts(
    name: str, rows: QuerySet, span: Span, *, column: str, outcome, owner: str = "", source=NOTHING,
    count=ROWS, duration=None, total=None,
) -> Iterator[Fact]:  # fmt: skip
    """Group by bucket, organisation, environment, source and outcome. `owner` leads to the row that has the tenant."""
    grouped = (
        rows.order_by()
        .annotate(
            _at=Trunc(column, span.bucket), _outcome=outcome, _source=Coalesce(source, Value("")),
            _organization=F(f"{owner}organization_id"), _environment=F(f"{owner}environment"),
        )
        .values("_at", "_outcome", "_source", "_organization", "_environment")
        .annotate(_count=count, _total=total or (Sum(duration) if duration else Value(0)))
    )  # fmt: skip
    for row in grouped:  # no cursor: PostgreSQL plans those for their first rows, and walks
        yield Fact(
            name, row["_at"], row["_organization"] or "", row["_environment"] or "", row["_source"], row["_outcome"],
            row["_count"], _milliseconds(row["_total"]),
        )  # fmt: skip


def _milliseconds(total) -> int:
    if isinstance(total, timedelta):
        return round(total.total_seconds() * 1000)
    return round(total or 0)
