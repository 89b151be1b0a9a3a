"""`/webhooks`"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, filled, given, path, query
from connect_health.models import Event, Recovery, Tombstone, WebhookEndpoint
from connect_health.pages import Page
from connect_health.webhooks import construct_event


class Webhooks(Resource[TransportT]):
    """Endpoints of yours that are told of events. `construct_event` verifies what arrives there."""

    construct_event = staticmethod(construct_event)

    @operation
    def create(
        self, *, url: str, events: Sequence[str] = ("*",), description: str | None = None,
        metadata: dict[str, Any] | None = None, idempotency_key: str | None = None,
    ) -> Call[WebhookEndpoint]:  # fmt: skip
        """Make an endpoint. Its `secret` is in this answer alone: keep it."""
        body = filled(url=url, events=[*events], description=description, metadata=metadata)
        return Call("POST", "/webhooks", WebhookEndpoint, body=body, idempotency_key=idempotency_key)

    @listing
    def list(
        self, *, status: str | None = None, limit: int = 100, starting_after: str | None = None
    ) -> Call[Page[WebhookEndpoint]]:
        """Endpoints, newest first; `status` is active or disabled."""
        asked = query(status=status, limit=limit, starting_after=starting_after)
        return Call("GET", "/webhooks", Page[WebhookEndpoint], asked)

    @operation
    def retrieve(self, webhook_id: str) -> Call[WebhookEndpoint]:
        """One endpoint, without its secret."""
        return Call("GET", path("/webhooks/{id}", id=webhook_id), WebhookEndpoint)

    @operation
    def update(
        self, webhook_id: str, *, url: str | UnsetType = UNSET, events: Sequence[str] | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET, metadata: dict[str, Any] | UnsetType = UNSET,
        status: str | UnsetType = UNSET,
    ) -> Call[WebhookEndpoint]:  # fmt: skip
        """Change what is given and nothing else; `description=None` clears it."""
        body = given(url=url, events=events, description=description, metadata=metadata, status=status)
        return Call("PATCH", path("/webhooks/{id}", id=webhook_id), WebhookEndpoint, body=body)

    @operation
    def delete(self, webhook_id: str) -> Call[Tombstone]:
        """Delete an endpoint with its history."""
        return Call("DELETE", path("/webhooks/{id}", id=webhook_id), Tombstone)

    @operation
    def rotate_secret(
        self, webhook_id: str, *, overlap_seconds: int | None = None, idempotency_key: str | None = None
    ) -> Call[WebhookEndpoint]:
        """A new `secret`, in this answer alone; the old one signs too for `overlap_seconds`."""
        where, body = path("/webhooks/{id}/rotate-secret", id=webhook_id), filled(overlap_seconds=overlap_seconds)
        return Call("POST", where, WebhookEndpoint, body=body, idempotency_key=idempotency_key)

    @listing
    def list_events(
        self, webhook_id: str, *, delivered: bool | None = None, limit: int = 100, starting_after: str | None = None
    ) -> Call[Page[Event]]:
        """An endpoint's events, newest first."""
        asked = query(delivered=delivered, limit=limit, starting_after=starting_after)
        return Call("GET", path("/webhooks/{id}/events", id=webhook_id), Page[Event], asked)

    @operation
    def test(self, webhook_id: str, *, idempotency_key: str | None = None) -> Call[Event]:
        """Send a signed `webhook_endpoint.test` event."""
        where = path("/webhooks/{id}/test", id=webhook_id)
        return Call("POST", where, Event, body={}, idempotency_key=idempotency_key)

    @operation
    def recover(self, webhook_id: str, *, since: datetime, idempotency_key: str | None = None) -> Call[Recovery]:
        """Queue every event since then that was not delivered."""
        where, body = path("/webhooks/{id}/recover", id=webhook_id), filled(since=since)
        return Call("POST", where, Recovery, body=body, idempotency_key=idempotency_key)
