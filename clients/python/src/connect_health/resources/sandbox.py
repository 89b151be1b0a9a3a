"""`/sandbox`: the clock that sandbox keys have."""

from connect_health._binding import Resource, TransportT, operation
from connect_health._calls import Call, path
from connect_health.models import Connection, WebhookEndpoint


class Sandbox(Resource[TransportT]):
    """Let time pass: for tests of what happens hours, days and months from now."""

    @operation
    def advance_connection(self, conn_id: str, *, seconds: int, idempotency_key: str | None = None) -> Call[Connection]:
        """Live through a connection's future: token expiry, refreshes, the end of consent, the next pull."""
        where = path("/sandbox/connections/{id}/advance", id=conn_id)
        return Call("POST", where, Connection, body={"seconds": seconds}, idempotency_key=idempotency_key)

    @operation
    def advance_webhook(
        self, webhook_id: str, *, seconds: int, idempotency_key: str | None = None
    ) -> Call[WebhookEndpoint]:
        """Live through an endpoint's schedule of retries."""
        where = path("/sandbox/webhooks/{id}/advance", id=webhook_id)
        return Call("POST", where, WebhookEndpoint, body={"seconds": seconds}, idempotency_key=idempotency_key)
