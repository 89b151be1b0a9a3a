"""`/events`"""

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, path, query
from connect_health.models import Event
from connect_health.pages import Page


class Events(Resource[TransportT]):
    """What endpoints were told, with every attempt."""

    @listing
    def list(
        self, *, webhook_id: str | None = None, type: str | None = None, after_sequence: int | None = None,
        limit: int = 100, starting_after: str | None = None,
    ) -> Call[Page[Event]]:  # fmt: skip
        """Events, newest first. With `webhook_id` and `after_sequence`, oldest first: what fills a receiver's gap."""
        asked = query(
            webhook_id=webhook_id, type=type, after_sequence=after_sequence, limit=limit, starting_after=starting_after
        )
        return Call("GET", "/events", Page[Event], asked)

    @operation
    def retrieve(self, event_id: str) -> Call[Event]:
        """One event with every attempt to deliver it."""
        return Call("GET", path("/events/{id}", id=event_id), Event)

    @operation
    def redeliver(self, event_id: str, *, idempotency_key: str | None = None) -> Call[Event]:
        """Queue an event again under the same id. Raises RateLimited within a minute of the last time."""
        where = path("/events/{id}/redeliver", id=event_id)
        return Call("POST", where, Event, body={}, idempotency_key=idempotency_key)
