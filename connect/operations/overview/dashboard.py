"""Putting the overview together for a member of staff: the first page of the admin, and the part that renews itself."""

from dataclasses import dataclass

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from connect.operations import alerts, labels, links
from connect.operations.measures import Measure
from connect.operations.overview import present
from connect.operations.overview.choices import Choice, offered
from connect.operations.overview.figures import OK, Figures, percent
from connect.operations.tasks import watch
from connect.operations.tenancy import sees_everything
from patientflows.models import Step
from pulls.models import Pull


@dataclass(frozen=True)
class Card:
    """A number that leads to the list behind it."""

    title: str
    figure: str
    detail: str
    link: str
    tone: str = ""


def dashboard(request, context: dict) -> dict:
    """Unfold's DASHBOARD_CALLBACK: what `admin/index.html` is rendered with."""
    choice = Choice.of(request)
    return context | {"choice": choice, **offered(request, choice), **live(request, choice)}


@never_cache
def fragment(request):
    """The part of the page that renews itself."""
    alerts.look_instead(watch)
    choice = Choice.of(request)
    return render(request, "operations/overview.html", {"choice": choice, **live(request, choice)})


def live(request, choice: Choice) -> dict:
    now = timezone.now()
    figures = Figures(choice, now)
    return {
        "now": now, "alerts": present.open_alerts(choice), "cards": cards(figures, choice, now), "charts": charts(figures),
        "funnel": figures.funnel(), "worst": figures.doing_badly(), "owners": figures.by_organization(),
        "lapsing": present.lapsing(choice, now), "engine": present.engine() if sees_everything(request.user) else None,
    }  # fmt: skip


def cards(figures: Figures, choice: Choice, now) -> list[Card]:
    within = {"within": choice.window.key}
    filters = choice.filters()
    connected, failed = (figures.count(Measure.STEP, kind) for kind in (Step.Kind.CONNECTED, Step.Kind.FAILED))
    pulls_failed = figures.count(Measure.PULL, Pull.Status.FAILED)
    at_portal = {"source": choice.scope.source_id}
    opened = present.pulls_open(choice)
    ok, tried = figures.count(Measure.DELIVERY, OK), figures.count(Measure.DELIVERY)
    attempts = links.rows("patientflows.attempt", **within, organization=choice.organization_id, **at_portal)
    lost = figures.count(Measure.ACCESS_LOST)
    failing = present.refreshes_failing(choice)
    pending = present.undelivered(choice)
    lapses = sum(one.count for one in present.lapsing(choice, now))
    return [
        Card("Links made", f"{figures.count(Measure.FLOW_CREATED):,}", f"{figures.count(Measure.STEP, Step.Kind.DONE):,} done, "
             f"{figures.count(Measure.STEP, Step.Kind.EXPIRED):,} expired",
             links.rows("patientflows.patientflow", **within, **filters)),
        Card("Connected", f"{connected:,}", f"{failed:,} failed · {_percent(connected, connected + failed)} succeed", attempts,
             _tone(percent(connected, connected + failed), 80)),
        Card("First record after", labels.duration(figures.first_record_ms), "from connecting, on average",
             links.rows("pulls.pull", trigger__exact="connected", **within, **filters)),
        Card("Pulls under way", f"{opened['running']:,}", f"{opened['queued']:,} queued, {opened['waiting']:,} waiting",
             links.rows("pulls.pull", status__exact="running", **filters), "warning" if opened["waiting"] else ""),
        Card("Pulls failed", f"{pulls_failed:,}", f"{figures.count(Measure.PULL, Pull.Status.PARTIAL):,} partial of "
             f"{figures.count(Measure.PULL):,}", links.rows("pulls.pull", status__exact="failed", **within, **filters),
             "danger" if pulls_failed else ""),
        Card("Access lost", f"{lost:,}", f"{failing:,} refreshes failing now",
             links.rows("portals.connection", status__exact="refresh_failed", **filters, **at_portal),
             "danger" if lost else "warning" if failing else ""),
        Card("Access about to end", f"{lapses:,}", "within 7 days, unless renewed by the patient",
             links.rows("portals.connection", lapses="7d", **filters, **at_portal), "warning" if lapses else ""),
        Card("Webhooks delivered", _percent(ok, tried), f"{tried - ok:,} of {tried:,} attempts failed",
             links.rows("webhooks.delivery", **within, outcome="failed"), _tone(percent(ok, tried), 95)),
        Card("Webhook latency", figures.delivery_p95, f"95 of 100 · {pending:,} waiting to be sent",
             links.rows("webhooks.event", status__exact="pending", **filters)),
    ]  # fmt: skip


def charts(figures: Figures) -> list:
    """Outcomes over time."""
    choice = figures.choice
    within = {"within": choice.window.key}
    flows = links.rows("patientflows.patientflow", **within, **choice.filters())
    attempts = {"organization": choice.organization_id, "source": choice.scope.source_id, **within}
    pulls = {**within, **choice.filters()}
    not_ok = tuple(outcome for outcome in figures.outcomes_of(Measure.DELIVERY) if outcome != OK)
    return [
        figures.chart("Patients' tries", Measure.STEP, (
            ("connected", "success", (Step.Kind.CONNECTED,), links.rows("patientflows.attempt", status__exact="connected", **attempts)),
            ("failed", "danger", (Step.Kind.FAILED,), links.rows("patientflows.attempt", status__exact="failed", **attempts)),
            ("links expired", "warning", (Step.Kind.EXPIRED,),
             links.rows("patientflows.patientflow", status__exact="expired", **within, **choice.filters())),
        ), flows),
        figures.chart("Pulls", Measure.PULL, tuple(
            (status, tone, (status,), links.rows("pulls.pull", status__exact=status, **pulls))
            for status, tone in (("completed", "success"), ("partial", "warning"), ("failed", "danger"), ("canceled", "neutral"))
        ), links.rows("pulls.pull", **pulls)),
        figures.chart("Webhook deliveries", Measure.DELIVERY, (
            ("delivered", "success", (OK,), links.rows("webhooks.delivery", outcome="ok", **within)),
            ("failed", "danger", not_ok, links.rows("webhooks.delivery", outcome="failed", **within)),
        ), links.rows("webhooks.delivery", **within)),
        figures.chart("Access lost", Measure.ACCESS_LOST, (
            ("refused", "danger", ("refresh_rejected",), links.rows("portals.connection", status__exact="refresh_failed")),
            ("lapsed", "warning", ("access_lapsed",), links.rows("portals.connection", status__exact="expired")),
        ), links.rows("portals.connection")),
    ]  # fmt: skip


def _percent(part: int, whole: int) -> str:
    share = percent(part, whole)
    return "–" if share is None else f"{share} %"


def _tone(share: int | None, good_from: int) -> str:
    if share is None:
        return ""
    return "success" if share >= good_from else "danger"
