"""Forgetting: attempts and receivers' answers after 30 days, settled events after 90 (settings)."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from connect.ids import oldest_event_id
from webhooks.models import Delivery, Event

log = structlog.get_logger(__name__)

BATCH = 5_000
SETTLED = (Event.Status.DELIVERED, Event.Status.EXHAUSTED)


def prune() -> None:
    """Delete in batches what is past its time; may be stopped and run again at any point."""
    now = timezone.now()
    attempts = _repeat(_prune_attempts, now - timedelta(days=settings.WEBHOOK_ATTEMPT_DAYS))
    events = _repeat(_prune_events, now - timedelta(days=settings.WEBHOOK_EVENT_DAYS))
    if attempts or events:
        log.info("webhooks.pruned", attempts=attempts, events=events)


def _repeat(prune_batch, before) -> int:
    total = 0
    while pruned := prune_batch(before):
        total += pruned
    return total


def _prune_attempts(before) -> int:
    """A batch of attempts that began before this time, and the answers their events kept of them."""
    begun_before = Delivery.objects.filter(started_at__lt=before).order_by("started_at")
    old = list(begun_before.values_list("pk", "event_id")[:BATCH])
    event_ids = {event_id for _, event_id in old}
    since_tried = Delivery.objects.filter(event_id__in=event_ids, started_at__gte=before).values("event_id")
    Event.objects.filter(pk__in=event_ids).exclude(pk__in=since_tried).update(last_response_body=None)
    Delivery.objects.filter(pk__in=[pk for pk, _ in old]).delete()
    return len(old)


def _prune_events(before) -> int:
    """A batch of events made before this time; those that are still to be delivered stay."""
    settled = Event.objects.filter(pk__lt=oldest_event_id(before), status__in=SETTLED)
    old = list(settled.order_by("pk").values_list("pk", flat=True)[:BATCH])
    Delivery.objects.filter(event_id__in=old).delete()
    Event.objects.filter(pk__in=old, status__in=SETTLED).delete()
    return len(old)
