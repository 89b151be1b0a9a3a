"""Sending the messages about alerts: e-mail to ALERT_EMAILS, JSON to ALERT_WEBHOOK_URL, each tried until it went out."""

import json
import smtplib
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from connect import outbound
from connect.operations import links
from connect.operations.models import Alert, Notice
from connect.organizations.fields import InstantField
from webhooks import signing

log = structlog.get_logger(__name__)

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)
BATCH = 50
instant = InstantField().to_representation


class NotSent(Exception):
    """The message did not go out; the text is a slug."""


def send_due() -> int:
    """Send what is due, each message by one worker; returns how many went out."""
    now = timezone.now()
    sent = 0
    for notice in Notice.objects.due(now).select_related("alert").order_by("due_at")[:BATCH]:
        if notice.claim(now):
            sent += _send(notice)
    return sent


def _send(notice: Notice) -> bool:
    try:
        SENDERS[notice.channel](notice)
    except NotSent as problem:
        tried = Notice.TRIES - notice.tries_left
        notice.put_off(due_at=timezone.now() + min(FIRST_RETRY * 2**tried, LONGEST_RETRY), reason=str(problem))
        log.warning("alert.not_told", alert_id=notice.alert_id, channel=notice.channel, reason=str(problem))
        return False
    notice.sent()
    return True


def _by_email(notice: Notice) -> None:
    alert = notice.alert
    over = notice.about == Alert.Status.RESOLVED
    began = f"It began at {alert.raised_at:%Y-%m-%d %H:%M} UTC"
    ended = f" and ended at {alert.resolved_at:%H:%M} UTC" if over and alert.resolved_at else ""
    try:
        send_mail(
            f"[Connect] {'Resolved: ' if over else ''}{alert.text}", f"{alert.text}.\n\n{began}{ended}.\n{_address(alert)}\n",
            settings.DEFAULT_FROM_EMAIL, settings.ALERT_EMAILS,
        )  # fmt: skip
    except (smtplib.SMTPException, OSError) as error:
        raise NotSent(type(error).__name__) from None


def _by_webhook(notice: Notice) -> None:
    """POST, signed by the Standard Webhooks headers where ALERT_WEBHOOK_SECRET is set; the same id at every try."""
    body = json.dumps(body_of(notice), separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json"}
    if settings.ALERT_WEBHOOK_SECRET:
        timestamp = int(timezone.now().timestamp())
        headers |= signing.headers([settings.ALERT_WEBHOOK_SECRET], _message_id(notice), timestamp, body)
    try:
        answer = outbound.request(
            "POST", settings.ALERT_WEBHOOK_URL, headers=headers, body=body, policy=outbound.WEBHOOK, route="alert"
        )
    except outbound.OutboundError as error:
        raise NotSent(error.reason) from None
    if not 200 <= answer.status < 300:
        raise NotSent(f"http_{answer.status}")


def body_of(notice: Notice) -> dict:
    """What the webhook says. `text` by itself is what chat systems show."""
    alert = notice.alert
    over = notice.about == Alert.Status.RESOLVED
    return {
        "id": _message_id(notice), "type": "alert.resolved" if over else "alert.raised",
        "text": f"{'Resolved: ' if over else ''}{alert.text}", "rule": alert.rule, "subject": alert.subject,
        "environment": alert.environment or None, "raised_at": instant(alert.raised_at),
        "resolved_at": instant(alert.resolved_at) if over and alert.resolved_at else None, "url": _address(alert),
    }  # fmt: skip


def _message_id(notice: Notice) -> str:
    return f"{notice.alert_id}_{notice.about}"


def _address(alert: Alert) -> str:
    return settings.BASE_URL + links.page("operations.alert", alert.pk)


SENDERS: dict[str, Callable[[Notice], None]] = {Notice.Channel.EMAIL: _by_email, Notice.Channel.WEBHOOK: _by_webhook}
