"""How long everything that grows is kept, as a table, and the job that forgets the rest.

Events and their attempts have a job of their own (`webhooks.pruning`), tallies and heartbeats forget by themselves.
Records stay until their patient is erased, audit entries for good: neither is ours to drop.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from connect import idempotency
from connect.operations.models import Alert
from connect.organizations.models import IdempotentAnswer
from patientflows.models import PatientFlow, Step
from portals.models import DirectoryUpdate, MissingPortal, Revocation
from portals.sandbox.models import Authorization, Outage, Token
from pulls.models import Exchange, Page, Pull, Reference, Unreadable
from webhooks.models import Delivery, Endpoint, Event

log = structlog.get_logger(__name__)

BATCH = 2000
MOST_BATCHES = 200
LATE_AFTER = timedelta(days=1)
SETTLED_PULL = Q(status__in=["completed", "partial", "failed", "canceled"])


@dataclass(frozen=True)
class Rule:
    """What is forgotten: rows that `rows(before)` finds, where `before` is `kept` ago.

    `setting` names the days in settings (0: for good); without one, `kept` holds. `forget`: columns to empty instead of
    deleting the row. `is_ours`: False when another job does the deleting and only `verify` looks here.
    """

    name: str
    rows: Callable[[datetime], QuerySet]
    setting: str = ""
    kept: timedelta = timedelta(0)
    forget: dict = field(default_factory=dict)
    is_ours: bool = True

    def before(self, now: datetime) -> datetime | None:
        """What is older goes; None when everything is kept."""
        if not self.setting:
            return now - self.kept
        days = getattr(settings, self.setting)
        return now - timedelta(days=days) if days else None

    def prune(self, now: datetime) -> int:
        """Forget in batches, each a transaction of its own; may be stopped and run again at any point."""
        before, total = self.before(now), 0
        if before is None:
            return 0
        for _ in range(MOST_BATCHES):
            rows = self.rows(before)
            batch = list(rows.values_list("pk", flat=True)[:BATCH])
            chosen = rows.model._base_manager.filter(pk__in=batch)
            if self.forget:
                chosen.update(**self.forget)
            else:
                chosen.delete()
            total += len(batch)
            if len(batch) < BATCH:
                break
        return total


def _superseded(before: datetime) -> QuerySet:
    """Pulls that ended before this time and were not their connection's last."""
    later = Pull.objects.filter(SETTLED_PULL, connection=OuterRef("connection"), pk__gt=OuterRef("pk"))
    ended = Pull.objects.filter(SETTLED_PULL, finished_at__lt=before)
    return ended.annotate(later=Subquery(later.values("pk")[:1])).exclude(later=None)


def _of_ended_pulls(before: datetime) -> QuerySet:
    return Pull.objects.filter(SETTLED_PULL, finished_at__lt=before)


RULES = (
    Rule("idempotent answers", lambda before: IdempotentAnswer.objects.filter(created_at__lt=before),
         kept=timedelta(seconds=idempotency.KEPT_SECONDS)),
    Rule("sessions", lambda before: Session.objects.filter(expire_date__lt=before)),
    Rule("old signing secrets",
         lambda before: Endpoint.objects.filter(previous_secret_until__lt=before).exclude(previous_secret=None),
         forget={"previous_secret": None, "previous_secret_until": None}),
    Rule("sign-in attempts", lambda before: AccessAttempt.objects.filter(attempt_time__lt=before), "SIGN_IN_DAYS"),
    Rule("sign-ins", lambda before: AccessLog.objects.filter(attempt_time__lt=before), "SIGN_IN_DAYS"),
    Rule("sign-in failures", lambda before: AccessFailureLog.objects.filter(attempt_time__lt=before), "SIGN_IN_DAYS"),
    Rule("the admin's own log", lambda before: LogEntry.objects.filter(action_time__lt=before), "ADMIN_LOG_DAYS"),
    Rule("settled revocations", lambda before: Revocation.objects.filter(settled_at__lt=before), "REVOCATION_DAYS"),
    Rule("timelines", lambda before: Step.objects.filter(at__lt=before).exclude(flow__status="open"),
         "TIMELINE_DAYS"),
    Rule("ended flows",
         lambda before: PatientFlow.objects.exclude(status="open").filter(updated_at__lt=before), "FLOW_DAYS"),
    Rule("missing portals", lambda before: MissingPortal.objects.filter(created_at__lt=before), "MISSING_PORTAL_DAYS"),
    Rule("pages of ended pulls",
         lambda before: Page.objects.filter(search__pull__in=_of_ended_pulls(before)), "PULL_DETAIL_DAYS"),
    Rule("references of ended pulls",
         lambda before: Reference.objects.filter(pull__in=_of_ended_pulls(before)), "PULL_DETAIL_DAYS"),
    Rule("exchanges of ended pulls",
         lambda before: Exchange.objects.filter(pull__in=_of_ended_pulls(before)), "PULL_DETAIL_DAYS"),
    Rule("updates of directories",
         lambda before: DirectoryUpdate.objects.exclude(status__in=DirectoryUpdate.WORKED_ON).filter(created_at__lt=before),
         kept=timedelta(days=90)),
    Rule("resolved alerts", lambda before: Alert.objects.filter(status="resolved", resolved_at__lt=before),
         kept=timedelta(days=90)),
    Rule("unreadable entries of earlier pulls",
         lambda before: Unreadable.objects.filter(search__pull__in=_superseded(before)), "PULL_DETAIL_DAYS"),
    Rule("earlier pulls", _superseded, "PULL_DAYS"),
    Rule("events held for disabled endpoints",
         lambda before: Event.objects.filter(status=Event.Status.HELD, created_at__lt=before), "WEBHOOK_HELD_DAYS"),
    Rule("settled events",
         lambda before: Event.objects.filter(status__in=["delivered", "exhausted"], created_at__lt=before),
         "WEBHOOK_EVENT_DAYS", is_ours=False),
    Rule("delivery attempts", lambda before: Delivery.objects.filter(started_at__lt=before), "WEBHOOK_ATTEMPT_DAYS",
         is_ours=False),
    Rule("the pretend portals' unfinished logins",
         lambda before: Authorization.objects.filter(expires_at__lt=before, grant=None), kept=timedelta(days=1)),
    Rule("the pretend portals' old tokens", lambda before: Token.objects.filter(expires_at__lt=before),
         kept=timedelta(days=1)),
    Rule("the pretend portals' outages", lambda before: Outage.objects.filter(ends_at__lt=before),
         kept=timedelta(days=1)),
)  # fmt: skip


def prune() -> dict[str, int]:
    """Forget everything that is past its time; how many rows of each rule went."""
    now = timezone.now()
    gone = {rule.name: count for rule in RULES if rule.is_ours and (count := rule.prune(now))}
    if gone:
        log.info("retention.pruned", **{name.replace(" ", "_"): count for name, count in gone.items()})
    return gone


def overdue_rules() -> Iterator[str]:
    """Rules with rows that should have gone a day ago."""
    now = timezone.now()
    for rule in RULES:
        before = rule.before(now)
        if before is not None and (rows := rule.rows(before - LATE_AFTER)).exists():
            yield f"{rule.name}: {rows.count()} rows"
