"""Forwarding events to a server that Connect cannot reach: a laptop's.

The laptop asks; nothing has to reach it. A disabled endpoint's events are held and numbered and sent nowhere, so an
endpoint made for this purpose, disabled at once, is a mailbox that `GET /events?webhook_id=…&after_sequence=…` empties
in order. Each event is signed anew with the endpoint's own secret, both ways, over a body as Connect sends it: the
receiver verifies as it will in production.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import msgspec

from connect_health._calls import instant
from connect_health.clients import Connect
from connect_health.errors import NotFound
from connect_health.models import Event, WebhookEndpoint
from connect_health.webhooks import sign

MADE_BY = "connect listen"
# .invalid never resolves (RFC 2606): nothing could be sent there even before the endpoint is disabled.
NOWHERE = "https://connect-listen.invalid/"


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What came of forwarding an event: the receiver's status, or why there is none."""

    event: Event
    status: int | None
    error: str
    duration_ms: int

    @property
    def ok(self) -> bool:
        return self.status is not None and 200 <= self.status <= 299


class Forwarder:
    """Forwards an endpoint's events from a sequence number on, in order, each once."""

    def __init__(self, client: Connect, *, webhook_id: str, after: int, to: str, secret: str) -> None:
        self.client, self.webhook_id, self.after = client, webhook_id, after
        self.to, self.secret = to, secret
        self._http = httpx.Client(timeout=30, follow_redirects=False)

    def forward_new(self) -> Iterator[Forwarded]:
        """Fetch what is new and forward it."""
        for event in self.client.events.list(webhook_id=self.webhook_id, after_sequence=self.after):
            if event.sequence is not None:
                self.after = event.sequence
            yield self._forward(event)

    def _forward(self, event: Event) -> Forwarded:
        body, began = body_of(event), time.perf_counter()
        headers = sign(body, message_id=event.id, timestamp=int(time.time()), secret=self.secret)
        status, error = None, ""
        try:
            status = self._http.post(
                self.to, content=body, headers={"Content-Type": "application/json", **headers}
            ).status_code
        except httpx.HTTPError as failed:
            error = type(failed).__name__
        return Forwarded(event, status, error, round((time.perf_counter() - began) * 1000))

    def close(self) -> None:
        self._http.close()


def body_of(event: Event) -> bytes:
    """The body that Connect sends for this event."""
    return msgspec.json.encode(
        {
            "id": event.id, "object": "event", "type": event.type, "api_version": event.api_version,
            "created_at": instant(event.created_at), "patient_id": event.patient_id, "sequence": event.sequence,
            "data": event.data,
        }
    )  # fmt: skip


def make_mailbox(client: Connect, events: Sequence[str]) -> WebhookEndpoint:
    """An endpoint whose events are held, with its secret; mailboxes that a dead listener of this machine left go."""
    for left in client.webhooks.list(status="disabled"):
        if left.metadata.get("made_by") == MADE_BY and left.metadata.get("host") == _host() and _is_dead(left):
            drop_mailbox(client, left.id)
    made = client.webhooks.create(
        url=NOWHERE, events=events, description="Made by `connect listen`; goes when that ends",
        metadata={"made_by": MADE_BY, "host": _host(), "pid": os.getpid()},
    )  # fmt: skip
    client.webhooks.update(made.id, status="disabled")
    return made


def drop_mailbox(client: Connect, webhook_id: str) -> None:
    """Delete it with its events, if it is still there."""
    with suppress(NotFound):
        client.webhooks.delete(webhook_id)


def last_sequence(client: Connect, webhook_id: str) -> int:
    """The number of an endpoint's newest numbered event; 0 before the first."""
    return next((event.sequence for event in client.webhooks.list_events(webhook_id) if event.sequence), 0)


def full_url(address: str) -> str:
    """`3000`, `localhost:3000/hooks` or a whole URL, as a URL. Raises ValueError."""
    if address.isdigit():
        address = f"localhost:{address}"
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"{address} is no address to forward to")
    return url


def _host() -> str:
    return socket.gethostname()


def _is_dead(mailbox: WebhookEndpoint) -> bool:
    try:
        os.kill(int(mailbox.metadata["pid"]), 0)
    except (KeyError, TypeError, ValueError, ProcessLookupError):
        return True
    except PermissionError:
        return False
    return False
