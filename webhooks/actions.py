"""What people and API clients ask of webhooks, and `emit`, by which every other app tells them something."""

import math
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.errors import ResourceConflict, Throttled
from connect.states import TransitionRefused
from webhooks import claims, event_types, outbox, payloads, signing
from webhooks.models import Endpoint, Event, Trigger
from webhooks.tasks import deliver_due
from webhooks.waking import wake_after_commit

REDELIVER_EVERY = timedelta(minutes=1)


def emit(*, tenant, type: str, object: dict, patient_id: str | None = None) -> list[Event]:
    """Tell every interested endpoint of `tenant` (organisation and environment) that something happened.

    Call it inside the transaction of the change: event and change commit together or not at all. `object` is the
    event's `data.object`, of JSON values only. Returns the events, one an endpoint. Delivery is woken after commit.
    """
    events = outbox.write_events(tenant=tenant, type=type, object=object, patient_id=patient_id)
    if events:
        wake_after_commit(deliver_due)
    return events


@transaction.atomic
def forget_patient(*, tenant, patient_id: str) -> int:
    """Erase the patient's personal data from stored events, receivers' answers included; returns how many had some.

    The events stay, as do their numbers: those still to be sent tell which thing it was and nothing about whom.
    """
    events = Event.objects.select_for_update().of(tenant).filter(patient_id=patient_id)
    count = 0
    for event in events.order_by("pk"):
        event.amend(data=payloads.without_person(event.data), patient_id=None, last_response_body=None)
        count += 1
    return count


@transaction.atomic
def create_endpoint(
    *, tenant, url: str, events: list[str], description: str | None = None, metadata: dict | None = None,
    api_version: str, by: Actor,
) -> Endpoint:  # fmt: skip
    """A new active endpoint; its `secret` is to be shown this once. `url` and `events` have been checked."""
    endpoint = Endpoint(
        organization_id=tenant.organization_id, environment=tenant.environment, url=url, events=events,
        description=description, metadata=metadata or {}, api_version=api_version,
    )  # fmt: skip
    endpoint.secret = signing.new_secret()
    endpoint.save(force_insert=True)
    _record("webhook_endpoint.created", endpoint, by, events=events)
    return endpoint


@transaction.atomic
def update_endpoint(*, endpoint: Endpoint, by: Actor, status: str | None = None, **changes) -> None:
    """Change url, events, description, metadata or status. Disabling holds what is pending; enabling sends nothing old.

    Raises ResourceConflict when another request changed the status at the same moment.
    """
    if changes:
        endpoint.revise(**changes)
        _record("webhook_endpoint.updated", endpoint, by, fields=sorted(changes))
    if status is not None and status != endpoint.status:
        _change_status(endpoint, status, by)


def _change_status(endpoint: Endpoint, status: str, by: Actor) -> None:
    try:
        if status == Endpoint.Status.DISABLED:
            endpoint.disable(reason="by_owner")
            _record("webhook_endpoint.disabled", endpoint, by, reason=endpoint.disabled_reason)
        else:
            endpoint.enable()
            _record("webhook_endpoint.enabled", endpoint, by)
    except TransitionRefused:
        raise ResourceConflict("The endpoint's status was changed at the same moment") from None


@transaction.atomic
def delete_endpoint(*, endpoint: Endpoint, by: Actor) -> None:
    """Delete the endpoint, its events and their attempts."""
    Endpoint.objects.filter(pk=endpoint.pk).delete()
    claims.erase_history(endpoint.pk)
    _record("webhook_endpoint.deleted", endpoint, by)


@transaction.atomic
def rotate_secret(*, endpoint: Endpoint, overlap_seconds: int, by: Actor) -> str:
    """A new signing secret, to be shown this once. The old one signs too for `overlap_seconds`."""
    secret = endpoint.rotate_secret(overlap_seconds=overlap_seconds)
    _record("webhook_endpoint.secret_rotated", endpoint, by, overlap_seconds=overlap_seconds)
    return secret


@transaction.atomic
def send_test_event(*, endpoint: Endpoint, by: Actor) -> Event:
    """Queue a `webhook_endpoint.test` event, whatever types the endpoint listens to. Raises ResourceConflict."""
    _require_active(endpoint)
    event = outbox.new_event(
        endpoint, type=event_types.WEBHOOK_ENDPOINT_TEST, object=payloads.test_object(endpoint), trigger=Trigger.TEST
    )
    event.save(force_insert=True)
    _record("webhook_endpoint.tested", endpoint, by, event=event.pk)
    wake_after_commit(deliver_due)
    return event


@transaction.atomic
def redeliver(*, event: Event, by: Actor) -> Event:
    """Queue the event again under the same id, whatever became of it. Once a minute an event.

    Raises Throttled, and ResourceConflict while its endpoint is disabled.
    """
    _require_active(event.endpoint)
    now = timezone.now()
    is_time = Q(last_redelivered_at=None) | Q(last_redelivered_at__lte=now - REDELIVER_EVERY)
    rows = Event.objects.filter(is_time, pk=event.pk)
    if rows.queue(trigger=Trigger.REDELIVER, now=now, last_redelivered_at=now) != 1:
        raise _too_soon(event, now)
    _record("event.redelivered", event.endpoint, by, event=event.pk)
    wake_after_commit(deliver_due)
    event.refresh_from_db()
    return event


def _too_soon(event: Event, now: datetime) -> Throttled:
    last = Event.objects.values_list("last_redelivered_at", flat=True).get(pk=event.pk)
    wait = math.ceil((last + REDELIVER_EVERY - now).total_seconds())
    return Throttled(wait, "An event can be redelivered once a minute")


@transaction.atomic
def recover(*, endpoint: Endpoint, since: datetime, by: Actor) -> int:
    """Queue everything that was not delivered since then, held and given-up events included; returns how many.

    Events that are being sent right now are left alone. Raises ResourceConflict while the endpoint is disabled.
    """
    _require_active(endpoint)
    now = timezone.now()
    is_being_sent = Q(status=Event.Status.PENDING, leased_until__gt=now)
    missed = endpoint.event_rows.undelivered().filter(created_at__gte=since).exclude(is_being_sent)
    count = missed.queue(trigger=Trigger.RECOVER, now=now)
    _record("webhook_endpoint.recovered", endpoint, by, queued=count)
    wake_after_commit(deliver_due)
    return count


@transaction.atomic
def advance(*, endpoint: Endpoint, seconds: int, by: Actor) -> None:
    """The sandbox's clock: let this much time pass for the endpoint's pending events, every attempt in it made."""
    now = timezone.now()
    waiting = endpoint.event_rows.select_for_update().filter(status=Event.Status.PENDING).exclude(leased_until__gt=now)
    for event in waiting.order_by("pk"):
        event.advance(seconds=seconds, now=now)
    _record("webhook_endpoint.advanced", endpoint, by, seconds=seconds)
    wake_after_commit(deliver_due)


def _require_active(endpoint: Endpoint) -> None:
    if endpoint.status != Endpoint.Status.ACTIVE:
        raise ResourceConflict("The endpoint is disabled: enable it first")


def _record(action: str, endpoint: Endpoint, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=endpoint.organization_id, environment=endpoint.environment,
        object_type="webhook_endpoint", object_id=endpoint.pk, **detail,
    )  # fmt: skip
