"""What is worth an alert: rules over rows, each answering the problems there are right now."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count

from connect.audit.models import ChainCheck
from connect.operations import heartbeats
from connect.operations.due_work import backlogs
from connect.operations.measures import Measure, Span, access_lost, pulls
from connect.operations.tallies import by_source
from portals.models import Circuit, Connection, Source
from pulls.models import Pull
from webhooks.models import Endpoint

HOUR = timedelta(hours=1)
USUAL_OVER = timedelta(days=7)
# Below so many a share says nothing.
FEWEST = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: which rule says so of what, in words without PHI."""

    rule: str
    subject: str
    text: str
    organization_id: str = ""
    environment: str = ""


def problems(now: datetime) -> list[Problem]:
    """Everything that is wrong at this moment."""
    return [problem for rule in RULES for problem in rule(now)]


def pulls_failing(now: datetime) -> Iterator[Problem]:
    """More than ALERT_PULL_FAILURES_PERCENT of a portal's pulls of the last hour failed."""
    ended: dict[str, Counter] = defaultdict(Counter)
    for fact in pulls(Span(now - HOUR, now)):
        ended[fact.source_id][fact.outcome] += fact.count
    bad = {}
    for source_id, outcomes in ended.items():
        judged = sum(outcomes.values()) - outcomes[Pull.Status.CANCELED]
        failed = outcomes[Pull.Status.FAILED]
        if judged >= FEWEST and failed * 100 > judged * settings.ALERT_PULL_FAILURES_PERCENT:
            bad[source_id] = (failed, judged)
    for source in Source.objects.filter(pk__in=bad).only("name", "environment"):
        failed, judged = bad[source.pk]
        yield Problem(
            "pulls_failing", source.pk, f"{failed} of {judged} pulls at {source.name} failed within the last hour",
            environment=source.environment,
        )  # fmt: skip


def access_being_lost(now: datetime) -> Iterator[Problem]:
    """More than ALERT_ACCESS_LOST_TIMES times the usual number of a portal's connections lost access within the last hour.

    Usual is the mean hour of the last seven days.
    """
    lost: Counter[str] = Counter()
    for fact in access_lost(Span(now - HOUR, now)):
        lost[fact.source_id] += fact.count
    many = {source_id: count for source_id, count in lost.items() if count >= FEWEST}
    hours = USUAL_OVER / HOUR
    usual = {source_id: count / hours for source_id, count in _lost_before(many, now).items()}
    spikes = {pk: count for pk, count in many.items() if count > settings.ALERT_ACCESS_LOST_TIMES * usual.get(pk, 0)}
    for source in Source.objects.filter(pk__in=spikes).only("name", "environment"):
        yield Problem(
            "access_being_lost", source.pk, f"{spikes[source.pk]} connections to {source.name} lost access within the last "
            f"hour; usual are {usual.get(source.pk, 0):.1f}", environment=source.environment,
        )  # fmt: skip


def _lost_before(source_ids: Iterable[str], now: datetime) -> Counter[str]:
    return by_source(Measure.ACCESS_LOST, source_ids, since=now - USUAL_OVER, until=now - HOUR)


def refreshes_failing(now: datetime) -> Iterator[Problem]:
    """The last refresh of more than ALERT_REFRESH_FAILURES_PERCENT of a portal's connections failed and is tried again."""
    failing = _by_source(Connection.objects.refreshes_failing())
    many = {source_id: count for source_id, count in failing.items() if count >= FEWEST}
    active = _by_source(Connection.objects.filter(source__in=many, status=Connection.Status.ACTIVE))
    bad = {pk: n for pk, n in many.items() if n * 100 > active[pk] * settings.ALERT_REFRESH_FAILURES_PERCENT}
    for source in Source.objects.filter(pk__in=bad).only("name", "environment"):
        yield Problem(
            "refreshes_failing", source.pk,
            f"{bad[source.pk]} of {active[source.pk]} connections to {source.name} could not renew their access",
            environment=source.environment,
        )  # fmt: skip


def _by_source(connections) -> Counter[str]:
    counted = connections.order_by().values_list("source_id").annotate(Count("pk"))
    return Counter(dict(counted))


def token_endpoints_down(now: datetime) -> Iterator[Problem]:
    """A portal's token endpoint failed so often that it is left alone for a while."""
    for circuit in Circuit.objects.filter(open_until__gt=now):
        source = Source.objects.filter(pk=circuit.key).only("name", "environment").first()
        name = source.name if source else circuit.key
        yield Problem(
            "token_endpoint_down", circuit.key, f"Tokens cannot be refreshed at {name}: {circuit.reason or 'no answer'}",
            environment=source.environment if source else "",
        )  # fmt: skip


def endpoints_given_up(now: datetime) -> Iterator[Problem]:
    """An endpoint was disabled because an event could not be delivered nine times."""
    disabled = Endpoint.objects.filter(status=Endpoint.Status.DISABLED, disabled_reason="attempts_exhausted")
    for endpoint in disabled.select_related("organization"):
        yield Problem(
            "endpoint_disabled", endpoint.pk, f"A webhook endpoint of {endpoint.organization.name} was disabled",
            endpoint.organization_id, endpoint.environment,
        )  # fmt: skip


def work_waiting(now: datetime) -> Iterator[Problem]:
    """Work of a kind has been due for longer than ALERT_OLDEST_DUE_SECONDS."""
    for backlog in backlogs(now):
        if backlog.age_seconds > settings.ALERT_OLDEST_DUE_SECONDS:
            minutes = round(backlog.age_seconds / 60)
            yield Problem(
                "work_waiting",
                backlog.kind,
                f"The oldest of {backlog.count} due {backlog.kind} waits for {minutes} min",
            )


def workers_gone(now: datetime) -> Iterator[Problem]:
    """No worker answered the roll call of a queue for a minute."""
    for sign in heartbeats.signs():
        if sign.part != heartbeats.BEAT and not sign.is_alive:
            yield Problem("worker_gone", sign.name, f"No worker answers for the queue {sign.name}")


def beat_gone(now: datetime) -> Iterator[Problem]:
    """Nothing was put on the schedule for a minute. Beat being what calls for this look, see `alerts.look_instead`."""
    beat, *_ = heartbeats.signs()
    if not beat.is_alive:
        yield Problem("beat_gone", beat.name, "Beat is silent: what is due waits until something else wakes a worker")


def audit_log_broken(now: datetime) -> Iterator[Problem]:
    """The walk of the audit log's hash chain found something that was changed, is gone or was never chained."""
    for check in ChainCheck.objects.exclude(faults=[]):
        yield Problem("audit_log_broken", "", f"The audit log is not whole: {check.faults[0]['what']}")


RULES: tuple[Callable[[datetime], Iterator[Problem]], ...] = (
    pulls_failing, access_being_lost, refreshes_failing, token_endpoints_down, endpoints_given_up, work_waiting,
    workers_gone, beat_gone, audit_log_broken,
)  # fmt: skip
