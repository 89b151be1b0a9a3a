"""Taking due events for sending: fairly over endpoints, each event by one worker at a time (DESIGN law 1)."""

import random
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction

from webhooks import payloads, signing
from webhooks.models import Delivery, Endpoint, Event
from webhooks.skip_scan import endpoints_with

# A worker that has not settled by then is dead. What has waited so long for a thread that it could not be settled in
# time is not sent any more, but put back.
LEASE = timedelta(seconds=30)
SEND_WITHIN_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Parcel:
    """All it takes to make one attempt without the database."""

    event_id: str
    endpoint: Endpoint
    number: int
    trigger: str
    tries_left: int
    advanced_seconds: int
    fence: int
    send_before: float
    body: bytes = field(repr=False)
    secrets: list[str] = field(repr=False)

    @property
    def is_stale(self) -> bool:
        """Whether its lease may run out before an attempt could be settled."""
        return time.monotonic() > self.send_before

    def headers(self, timestamp: int) -> dict[str, str]:
        """The headers of an attempt at `timestamp` (seconds since 1970), signatures included."""
        return {
            "Content-Type": "application/json",
            **signing.headers(self.secrets, self.event_id, timestamp, self.body),
        }


def due_endpoints(now) -> list[Endpoint]:
    """The active endpoints that have something due, in random order so that none is always last."""
    endpoint_ids = endpoints_with("status = 'pending'", due_at=now)
    if not endpoint_ids:
        return []
    found = Endpoint.objects.in_bulk(endpoint_ids)
    for endpoint_id in endpoint_ids:
        _clear_away(endpoint_id, found.get(endpoint_id))
    active = [endpoint for endpoint in found.values() if endpoint.status == Endpoint.Status.ACTIVE]
    random.shuffle(active)
    return active


def _clear_away(endpoint_id: str, endpoint: Endpoint | None) -> None:
    """Events whose transaction began before their endpoint was disabled or deleted, and committed after."""
    if endpoint is None:
        erase_history(endpoint_id)
    elif endpoint.status == Endpoint.Status.DISABLED:
        endpoint.event_rows.hold()


def erase_history(endpoint_id: str) -> None:
    """Delete an endpoint's events and their attempts."""
    Delivery.objects.filter(event__endpoint_id=endpoint_id).delete()
    Event.objects.filter(endpoint_id=endpoint_id).delete()


@transaction.atomic
def claim(rooms: dict[Endpoint, int], *, fence: int, now, besides: Collection[str] = ()) -> list[Parcel]:
    """Lease up to `rooms[endpoint]` due events of each endpoint, the longest due first.

    Rows that another worker is claiming right now are passed over, not waited for; so are those of `besides`, which
    this worker is still sending (they were queued again meanwhile).
    """
    claimed = []
    for endpoint, room in rooms.items():
        due = Event.objects.select_for_update(skip_locked=True).filter(endpoint=endpoint).due(now)
        secrets = endpoint.signing_secrets(now)
        events = [event for event in due.order_by("next_attempt_at")[:room] if event.pk not in besides]
        claimed += [_parcel(event, endpoint, secrets, fence) for event in events]
    until = now + LEASE
    Event.objects.filter(pk__in=[parcel.event_id for parcel in claimed]).update(
        fence=fence, leased_until=until, next_attempt_at=until
    )
    return claimed


def _parcel(event: Event, endpoint: Endpoint, secrets: list[str], fence: int) -> Parcel:
    return Parcel(
        event_id=event.id, endpoint=endpoint, number=event.attempts + 1, trigger=event.trigger,
        tries_left=event.tries_left, advanced_seconds=event.advanced_seconds, fence=fence,
        send_before=time.monotonic() + SEND_WITHIN_SECONDS,
        body=payloads.body_of(event), secrets=secrets,
    )  # fmt: skip
