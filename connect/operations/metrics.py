"""What Prometheus reads: gauges taken from the rows at each scrape, the same from whichever web process answers.

Labels come from our own tables of names (queues, statuses, known vendors), so their number is bounded; no id, no PHI.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from connect.operations import heartbeats
from connect.operations.due_work import backlogs
from connect.operations.measures import Measure, Span, measure
from portals.models import Source

WINDOW = timedelta(hours=1)
VENDORS = frozenset(
    ("epic", "cerner", "athena", "meditech", "eclinicalworks", "nextgen", "allscripts", "sandbox", "smart")
)
OTHER = "other"
RECENT = {
    Measure.FLOW_CREATED: ("connect_flows_created_recent", "Flows created in the last hour"),
    Measure.STEP: ("connect_flow_steps_recent", "Flows that took each step in the last hour"),
    Measure.PULL: ("connect_pulls_recent", "Pulls that ended in the last hour"),
    Measure.ACCESS_LOST: ("connect_access_lost_recent", "Connections that lost access in the last hour"),
    Measure.DELIVERY: ("connect_deliveries_recent", "Delivery attempts in the last hour"),
    Measure.DELIVERY_LATENCY: (
        "connect_delivery_latency_recent",
        "Successful deliveries of the last hour by bound in ms",
    ),
}


class Collector:
    """Asks the database when scraped."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from due_work()
        yield from signs_of_life()
        yield from recent_outcomes()


def registry() -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    made.register(Collector())
    return made


def due_work() -> Iterator[GaugeMetricFamily]:
    count = GaugeMetricFamily("connect_due_work", "Rows that are due and not taken", labels=["kind", "queue"])
    age = GaugeMetricFamily(
        "connect_due_work_oldest_seconds", "How long the oldest has been due", labels=["kind", "queue"]
    )
    for backlog in backlogs():
        labels = [backlog.kind.replace(" ", "_"), backlog.queue]
        count.add_metric(labels, backlog.count)
        age.add_metric(labels, backlog.age_seconds)
    yield count
    yield age


def signs_of_life() -> Iterator[GaugeMetricFamily]:
    alive = GaugeMetricFamily("connect_alive", "1 when it was seen within the last minute", labels=["part"])
    wait = GaugeMetricFamily(
        "connect_queue_wait_seconds", "How long the last roll call waited for a worker", labels=["queue"]
    )
    for sign in heartbeats.signs():
        alive.add_metric([sign.name], int(sign.is_alive))
        if sign.part != heartbeats.BEAT:
            wait.add_metric([sign.name], sign.wait_ms / 1000)
    yield alive
    yield wait


def recent_outcomes() -> Iterator[GaugeMetricFamily]:
    """Outcomes of the last hour by portal vendor."""
    now = timezone.now()
    counts: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    facts = list(measure(Span(now - WINDOW, now)))
    vendors = _vendors({fact.source_id for fact in facts if fact.source_id})
    for fact in facts:
        counts[fact.measure][vendors.get(fact.source_id, ""), fact.outcome] += fact.count
    for name, (metric, documentation) in RECENT.items():
        family = GaugeMetricFamily(metric, documentation, labels=["vendor", "outcome"])
        for labels, count in sorted(counts[name].items()):
            family.add_metric(labels, count)
        yield family


def _vendors(source_ids: set[str]) -> dict[str, str]:
    found = Source.objects.filter(pk__in=source_ids).values_list("pk", "vendor")
    return {pk: vendor if vendor in VENDORS else OTHER for pk, vendor in found}
