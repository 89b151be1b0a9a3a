"""What happened within the window: outcomes over time, the funnel, portals that do badly, organisations side by side."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from connect.operations import links
from connect.operations.measures import LATENCY_BOUNDS_MS, SLOWER, Measure
from connect.operations.overview.charts import Chart, Series, numbers
from connect.operations.overview.choices import Choice
from connect.operations.tallies import Only, Period, Total
from connect.organizations.models import Organization
from patientflows.models import Step
from portals.models import Source

WORST_SHOWN = 8
ORGANIZATIONS_SHOWN = 10
OK = "ok"
FAILURES = ((Measure.STEP, Step.Kind.FAILED), (Measure.PULL, "failed"), (Measure.ACCESS_LOST, None))
LINK_STEPS = {Step.Kind.LINK_OPENED: "Opened", Step.Kind.SEARCHED: "Searched"}
PORTAL_STEPS = {Step.Kind.SOURCE_CHOSEN: "Chosen", Step.Kind.SENT_TO_PORTAL: "Left",
                Step.Kind.CAME_BACK: "Came back", Step.Kind.CONNECTED: "Connected"}  # fmt: skip


@dataclass(frozen=True)
class FunnelStep:
    """One step: how many took it, how many of the step before did not, and the width of its bar."""

    name: str
    count: int
    lost_percent: int | None
    percent: int
    link: str


@dataclass(frozen=True)
class Badly:
    """A portal where something failed."""

    name: str
    link: str
    connected: int
    failed: int
    pulls_failed: int
    access_lost: int

    @property
    def success_percent(self) -> int | None:
        return percent(self.connected, self.connected + self.failed)


class Figures:
    """Everything of one window, from three grouped readings of the tallies."""

    def __init__(self, choice: Choice, now: datetime | None = None):
        self.choice = choice
        self.now = now or timezone.now()
        self.starts = choice.window.starts(self.now)
        self.period: Period = choice.period(self.now)
        self.over_time = self.period.totals("at")
        self.sums: dict[tuple[str, str], Total] = defaultdict(Total)
        for (measure, outcome, _), total in self.over_time.items():
            self.sums[measure, outcome] += total

    def count(self, measure: str, *outcomes: str) -> int:
        """How often any of the outcomes came; all of the measure's without one."""
        chosen = (total.count for (name, outcome), total in self.sums.items()
                  if name == measure and (not outcomes or outcome in outcomes))  # fmt: skip
        return sum(chosen)

    def chart(
        self, title: str, measure: str, lines: Iterable[tuple[str, str, tuple[str, ...], str]], link: str
    ) -> Chart:
        """`lines`: name, tone, the outcomes it adds up, and where it leads."""
        series = []
        for name, tone, outcomes, where in lines:
            counts: Counter[datetime] = Counter()
            for (found, outcome, at), total in self.over_time.items():
                if found == measure and outcome in outcomes:
                    counts[at] += total.count
            series.append(Series(name, tone, numbers(counts, self.starts), where))
        return Chart(title, self.starts, series, link, self.choice.window.by_day)

    def outcomes_of(self, measure: str) -> tuple[str, ...]:
        return tuple({outcome for name, outcome in self.sums if name == measure})

    @property
    def first_record_ms(self) -> int | None:
        """From the making of a connection's first pull to its first record, on average."""
        return self.sums[Measure.FIRST_RECORD, ""].mean_ms

    @property
    def delivery_p95(self) -> str:
        """The bound that 95 of 100 successful deliveries stay under."""
        total = self.count(Measure.DELIVERY_LATENCY)
        if not total:
            return "–"
        so_far = 0
        for bound in LATENCY_BOUNDS_MS:
            so_far += self.count(Measure.DELIVERY_LATENCY, str(bound))
            if so_far >= 0.95 * total:
                return f"≤ {bound} ms"
        return f"> {LATENCY_BOUNDS_MS[-1]} ms" if self.count(Measure.DELIVERY_LATENCY, SLOWER) else "–"

    def funnel(self) -> list[FunnelStep]:
        """Opened and searched count links; from there on portals are counted, of which one link may lead to several."""
        flows = links.rows("patientflows.patientflow", within=self.choice.window.key, **self.choice.filters())
        attempts = links.rows("patientflows.attempt", **self._at_portal())
        steps = [] if self.choice.scope.source_id else self._steps(LINK_STEPS, flows)
        return steps + self._steps(PORTAL_STEPS, attempts)

    def _steps(self, kinds: dict[str, str], link: str) -> list[FunnelStep]:
        widest = max(1, *(self.count(Measure.STEP, kind) for kind in {**LINK_STEPS, **PORTAL_STEPS}))
        before, steps = None, []
        for kind, name in kinds.items():
            count = self.count(Measure.STEP, kind)
            lost = max(0, 100 - percent(count, before)) if before else None
            steps.append(FunnelStep(name, count, lost, round(100 * count / widest), link))
            before = count
        return steps

    def _at_portal(self, source_id: str = "") -> dict[str, str]:
        source_id = source_id or self.choice.scope.source_id
        return {"within": self.choice.window.key, "organization": self.choice.organization_id, "source": source_id}

    def doing_badly(self) -> list[Badly]:
        """Portals with the most failures, the worst first."""
        by_source: dict[str, Counter] = defaultdict(Counter)
        for (measure, outcome, source_id), total in self.period.totals("source_id", only=Only(FAILURES)).items():
            if source_id:
                by_source[source_id][measure, outcome if measure != Measure.ACCESS_LOST else ""] += total.count
        ranked = sorted(by_source, key=lambda source_id: -_failures(by_source[source_id]))[:WORST_SHOWN]
        if not ranked:
            return []
        well = Only(((Measure.STEP, Step.Kind.CONNECTED),), tuple(ranked))
        for (measure, outcome, source_id), total in self.period.totals("source_id", only=well).items():
            by_source[source_id][measure, outcome] += total.count
        names = dict(Source.objects.filter(pk__in=ranked).values_list("pk", "name"))
        return [self._badly(pk, names[pk], by_source[pk]) for pk in ranked if pk in names and _failures(by_source[pk])]

    def _badly(self, source_id: str, name: str, counts: Counter) -> Badly:
        return Badly(
            name, links.page("portals.source", source_id), counts[Measure.STEP, Step.Kind.CONNECTED],
            counts[Measure.STEP, Step.Kind.FAILED], counts[Measure.PULL, "failed"], counts[Measure.ACCESS_LOST, ""],
        )  # fmt: skip

    def by_organization(self) -> list[dict]:
        """The busiest organisations and environments, side by side."""
        found: dict[tuple[str, str], Counter] = defaultdict(Counter)
        for (measure, outcome, *owner), total in self.period.totals("organization_id", "environment").items():
            found[tuple(owner)][measure, outcome] += total.count
        busiest = sorted(found, key=lambda owner: -sum(found[owner].values()))[:ORGANIZATIONS_SHOWN]
        names = dict(Organization.objects.filter(pk__in={pk for pk, _ in busiest}).values_list("pk", "name"))
        return [
            {
                "name": names.get(pk, "–"), "environment": environment,
                "link": self.choice.query(organization=pk, environment=environment),
                "flows": found[pk, environment][Measure.FLOW_CREATED, ""],
                "connected": found[pk, environment][Measure.STEP, Step.Kind.CONNECTED],
                "failed": found[pk, environment][Measure.STEP, Step.Kind.FAILED],
                "pulls_failed": found[pk, environment][Measure.PULL, "failed"],
                "undelivered": sum(count for (measure, outcome), count in found[pk, environment].items()
                                   if measure == Measure.DELIVERY and outcome != OK),
            }
            for pk, environment in busiest
        ]  # fmt: skip


def percent(part: int, whole: int | None) -> int | None:
    return round(100 * part / whole) if whole else None


def _failures(counts: Counter) -> int:
    return counts[Measure.STEP, Step.Kind.FAILED] + counts[Measure.PULL, "failed"] + counts[Measure.ACCESS_LOST, ""]
