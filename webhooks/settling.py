"""Writing down what came of attempts: the attempt's row and the event's next state, in one transaction.

Attempts are settled in groups, and events that fared alike share an UPDATE: at a high rate the database sees a few
statements for dozens of deliveries. Every UPDATE is guarded by the fence, so a worker whose lease ran out, and whose
event another has sent since, changes nothing.
"""

import random
import time
from collections import defaultdict
from datetime import timedelta

import structlog
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from connect.states import TransitionRefused
from webhooks import event_types, outbox, payloads
from webhooks.models import Delivery, Endpoint, Event
from webhooks.schedule import next_delay
from webhooks.sending import Receipt

log = structlog.get_logger(__name__)

TRIES = 3
SOON = timedelta(seconds=1)


def settle(receipts: list[Receipt]) -> None:
    """Settle a group of attempts.

    When the database will not have it (a deadlock, a restart) it is tried again; if it still will not, the leases run
    out and the events are sent once more: at least once, never lost.
    """
    for left in range(TRIES - 1, -1, -1):
        try:
            return _settle(receipts, timezone.now())
        except OperationalError as error:
            log.warning("webhooks.not_settled", events=len(receipts), error=type(error).__name__, tries_left=left)
            if left == 0:
                raise
            time.sleep(random.uniform(0.01, 0.1))


@transaction.atomic
def _settle(receipts: list[Receipt], now) -> None:
    _put_back([receipt for receipt in receipts if not receipt.was_tried], now)
    receipts = [receipt for receipt in receipts if receipt.was_tried]
    turned = _lock_turned_endpoints(receipts)
    Delivery.objects.bulk_create([_delivery(receipt) for receipt in receipts])
    for alike in _alike(receipts):
        _settle_alike(alike, now)
    for endpoint, ok in turned:
        endpoint.note_outcome(ok=ok, now=now)
    for endpoint_id in sorted({receipt.parcel.endpoint.pk for receipt in receipts if _is_last(receipt)}):
        _give_up(endpoint_id)


def _lock_turned_endpoints(receipts: list[Receipt]) -> list[tuple[Endpoint, bool]]:
    """Endpoints that began or ceased to fail, and how their last attempt fared.

    They are locked before any event is, in one order, as whoever disables an endpoint does: nobody deadlocks.
    """
    last = {receipt.parcel.endpoint: receipt.ok for receipt in receipts}
    turned = [(endpoint, ok) for endpoint, ok in last.items() if ok == (endpoint.failing_since is not None)]
    given_up = {receipt.parcel.endpoint.pk for receipt in receipts if _is_last(receipt)}
    to_lock = given_up | {endpoint.pk for endpoint, _ in turned}
    if to_lock:
        list(Endpoint.objects.select_for_update(no_key=True).filter(pk__in=to_lock).order_by("pk").values("pk"))
    return turned


def _put_back(receipts: list[Receipt], now) -> None:
    """Events that could not be tried yet, because too many calls to their host were running: soon, and no attempt."""
    for receipt in receipts:
        Event.objects.filter(pk=receipt.parcel.event_id, fence=receipt.parcel.fence, leased_until__isnull=False).update(
            next_attempt_at=now + SOON, leased_until=None
        )


def _delivery(receipt: Receipt) -> Delivery:
    parcel = receipt.parcel
    return Delivery(
        event_id=parcel.event_id, number=parcel.number, trigger=parcel.trigger, started_at=receipt.started_at,
        duration_ms=receipt.duration_ms, status_code=receipt.status_code, error=receipt.error,
    )  # fmt: skip


def _alike(receipts: list[Receipt]) -> list[list[Receipt]]:
    """Receipts whose events come to the same state, together."""
    groups = defaultdict(list)
    for receipt in receipts:
        parcel = receipt.parcel
        round_ = () if receipt.ok else (parcel.tries_left, parcel.advanced_seconds)
        groups[parcel.fence, receipt.ok, receipt.status_code, receipt.response_body, round_].append(receipt)
    return list(groups.values())


def _settle_alike(receipts: list[Receipt], now) -> None:
    """One UPDATE for events that come to the same state; those that are another worker's by now only count a try."""
    first = receipts[0]
    heard = {
        "attempts": F("attempts") + 1,
        "leased_until": None,
        "last_status_code": first.status_code,
        "last_response_body": first.response_body,
    }
    ids = [receipt.parcel.event_id for receipt in receipts]
    ours = Event.objects.filter(pk__in=ids, fence=first.parcel.fence, leased_until__isnull=False)
    if first.ok:
        settled = ours.move(
            Event.Status.DELIVERED, delivered_at=now, next_attempt_at=None, advanced_seconds=0,
            tries_left=first.parcel.tries_left - 1, **heard,
        )  # fmt: skip
    else:
        # Held meanwhile, because its endpoint was disabled: it only takes note of what was heard.
        settled = ours.filter(status=Event.Status.HELD).update(**heard)
        settled += _end(ours, heard) if _is_last(first) else _wait(ours, first, now, heard)
    if settled < len(ids):  # queued again (redeliver, recover) or claimed again while this attempt ran
        Event.objects.filter(pk__in=ids).exclude(fence=first.parcel.fence).update(attempts=F("attempts") + 1)


def _end(events, heard: dict) -> int:
    return events.move(Event.Status.EXHAUSTED, next_attempt_at=None, advanced_seconds=0, tries_left=0, **heard)


def _wait(events, receipt: Receipt, now, heard: dict) -> int:
    """The next attempt by the schedule."""
    parcel = receipt.parcel
    delay = next_delay(tries_left=parcel.tries_left - 1)
    # The sandbox clock: what of this wait has been lived through already.
    skipped = min(delay, timedelta(seconds=parcel.advanced_seconds))
    return events.filter(status=Event.Status.PENDING).update(
        next_attempt_at=now + delay - skipped, tries_left=parcel.tries_left - 1,
        advanced_seconds=parcel.advanced_seconds - int(skipped.total_seconds()), **heard,
    )  # fmt: skip


def _is_last(receipt: Receipt) -> bool:
    return not receipt.ok and receipt.parcel.tries_left <= 1


def _give_up(endpoint_id: str) -> None:
    """Disable the endpoint whose event failed for the ninth time, once, and let everybody know (contract 6.2)."""
    endpoint = Endpoint.objects.filter(pk=endpoint_id).first()
    if endpoint is None:
        return
    try:
        endpoint.disable(reason="attempts_exhausted")
    except TransitionRefused:  # by its owner, or by another worker that told of it
        return
    record(
        action="webhook_endpoint.disabled", by=SYSTEM, organization_id=endpoint.organization_id,
        environment=endpoint.environment, object_type="webhook_endpoint", object_id=endpoint.pk,
        reason=endpoint.disabled_reason,
    )  # fmt: skip
    outbox.write_events(
        tenant=endpoint, type=event_types.WEBHOOK_ENDPOINT_DISABLED, object=payloads.disabled_object(endpoint),
        besides=endpoint,
    )  # fmt: skip
    log.warning("webhooks.endpoint_disabled", endpoint=endpoint.pk, reason=endpoint.disabled_reason)
