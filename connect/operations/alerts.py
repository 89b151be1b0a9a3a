"""Raising, resolving and telling: an alert is a row, and so is every message about it (DESIGN law 1)."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone

from connect.background import send
from connect.operations import heartbeats, links
from connect.operations.alert_rules import Problem, problems
from connect.operations.models import Alert, Notice
from connect.states import TransitionRefused

log = structlog.get_logger(__name__)

# A problem that comes and goes is one alert, not many.
QUIET_BEFORE_RESOLVED = timedelta(minutes=3)
LOOKS_APART = timedelta(seconds=30)
SUBJECT_PAGES = {
    "pulls_failing": "portals.source", "access_being_lost": "portals.source", "refreshes_failing": "portals.source",
    "token_endpoint_down": "portals.source",
    "endpoint_disabled": "webhooks.endpoint",
}  # fmt: skip


def check() -> None:
    """Compare what is wrong with the open alerts: raise the new, keep the old, resolve what is over."""
    now = timezone.now()
    open_alerts = {(alert.rule, alert.subject): alert for alert in Alert.objects.filter(status=Alert.Status.OPEN)}
    for problem in problems(now):
        known = open_alerts.pop((problem.rule, problem.subject), None)
        if known:
            known.seen(problem.text)
        else:
            _raise(problem)
    for alert in open_alerts.values():
        if now - alert.seen_at >= QUIET_BEFORE_RESOLVED:
            _resolve(alert)


def look_instead(watch) -> None:
    """Have a worker look around although beat, which else calls for it, is silent; `watch` is the task.

    Called by whoever looks at this installation from outside: /health/ready, /metrics, the overview. At most once in
    LOOKS_APART, however many look.
    """
    beat, *_ = heartbeats.signs()
    if beat.seen_at and not beat.is_alive and cache.add("operations.look_instead", 1, LOOKS_APART.total_seconds()):
        send(watch)


def _raise(problem: Problem) -> None:
    """Of two workers that notice at once, the constraint lets one raise it."""
    try:
        with transaction.atomic():
            alert = Alert.objects.create(
                rule=problem.rule, subject=problem.subject, text=problem.text[:300],
                organization_id=problem.organization_id, environment=problem.environment,
            )  # fmt: skip
            _queue_notices(alert)
    except IntegrityError:
        return
    log.warning("alert.raised", alert_id=alert.pk, rule=alert.rule, subject=alert.subject)


def _resolve(alert: Alert) -> None:
    try:
        with transaction.atomic():
            alert.resolve()
            _queue_notices(alert)
    except TransitionRefused:
        return
    log.info("alert.resolved", alert_id=alert.pk, rule=alert.rule, subject=alert.subject)


def _queue_notices(alert: Alert) -> None:
    channels = {Notice.Channel.EMAIL: settings.ALERT_EMAILS, Notice.Channel.WEBHOOK: settings.ALERT_WEBHOOK_URL}
    Notice.objects.bulk_create(
        Notice(alert=alert, about=alert.status, channel=channel) for channel, where in channels.items() if where
    )


def page_of_subject(alert: Alert) -> str:
    """The admin page of what the alert is about; empty where there is none."""
    page = SUBJECT_PAGES.get(alert.rule)
    if page == "portals.source" and not alert.subject.startswith("fhirsrc_"):  # a rate limit group of several
        return ""
    return links.page(page, alert.subject) if page else ""
