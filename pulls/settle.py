"""The end of a pull, or its pause: status, manifest, event and the next pull's time, in one transaction."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connect.states import TransitionRefused
from portals.models import Connection
from pulls import manifest
from pulls.exports.actions import export_changes
from pulls.gone import mark_gone
from pulls.leases import LeaseLost
from pulls.models import Pull
from pulls.outcome import may_get_better, status_of_pull, types_lacking
from pulls.payloads import emit_completed, emit_failed
from pulls.quiet import after_quiet_hours, next_pull_time
from pulls.retries import progress_together

log = structlog.get_logger(__name__)

WAITS = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
RETRY_WAITS = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))


def settle(pull: Pull) -> None:
    """Everything was asked: say what came of it. Raises LeaseLost."""
    pull.finished_at = timezone.now()
    with transaction.atomic():
        gone = mark_gone(pull)
        pull.hold(total=pull.total + sum(gone.values()))
        _close(pull, status_of_pull(pull, progress_together(pull)), gone=gone, error="")
        if pull.total:
            export_changes(tenant=pull.connection.tenant)


def fail(pull: Pull, reason: str) -> None:
    """It cannot go on, whatever the portal would say: access was lost, or it waited too long."""
    pull.finished_at = timezone.now()
    try:
        with transaction.atomic():
            pull.hold()
            _close(pull, Pull.Status.FAILED, gone={}, error=reason)
            if pull.total:
                export_changes(tenant=pull.connection.tenant)
    except LeaseLost:
        log.info("pull.lease_lost")


def wait_for_portal(pull: Pull, *, reason: str, until: datetime) -> None:
    """The portal is down or wants to be left alone: go on from the last page later, or give up after the set time."""
    now = timezone.now()
    give_up_at = pull.give_up_at or now + timedelta(seconds=settings.PULL_GIVES_UP_AFTER_SECONDS)
    if give_up_at <= now:
        return fail(pull, reason)
    due_at = max(until, now + WAITS[min(pull.tries, len(WAITS)) - 1])
    try:
        pull.move(
            Pull.Status.WAITING, only_if=pull.mine, due_at=min(due_at, give_up_at), give_up_at=give_up_at,
            waiting_for=reason, leased_until=None,
        )  # fmt: skip
    except TransitionRefused:
        log.info("pull.lease_lost")
    return None


def _close(pull: Pull, status: str, *, gone: dict[str, int], error: str) -> None:
    lacking = types_lacking(progress_together(pull))
    text = manifest.canonical(manifest.build(pull, gone=gone))
    pull.move(
        status, only_if={"fence": pull.fence}, finished_at=pull.finished_at, errors=len(lacking), error=error,
        manifest=text, manifest_sha256=manifest.sha256(text), leased_until=None, waiting_for="",
    )  # fmt: skip
    _schedule_next(pull, status)
    if status == Pull.Status.FAILED:
        emit_failed(pull, error or (lacking[0].error if lacking else "") or "nothing_could_be_had")
    else:
        emit_completed(pull)


def _schedule_next(pull: Pull, status: str) -> None:
    """The connection's next pull: on its schedule, or sooner to finish what this one could not."""
    connection = Connection.objects.select_related("source", "organization").get(pk=pull.connection_id)
    now = timezone.now()
    due = next_pull_time(connection, now)
    failures = _recent_failures(pull)
    if status != Pull.Status.COMPLETED and failures < len(RETRY_WAITS) and may_get_better(pull):
        again = after_quiet_hours(connection.source.overrides.get("quiet_hours"), now + RETRY_WAITS[failures])
        if again < due:
            due = again
            pull.amend(is_to_be_retried=True)
    changes = {"next_pull_at": due}
    if status != Pull.Status.FAILED:
        changes["last_pulled_at"] = pull.finished_at
    connection.amend(only_if={"status": Connection.Status.ACTIVE}, **changes)


def _recent_failures(pull: Pull) -> int:
    """How many pulls before this one were not complete either, in a row."""
    before = Pull.objects.filter(connection_id=pull.connection_id).exclude(pk=pull.pk).order_by("-pk")
    statuses = list(before.values_list("status", flat=True)[: len(RETRY_WAITS)])
    return next((n for n, status in enumerate(statuses) if status == Pull.Status.COMPLETED), len(statuses))
