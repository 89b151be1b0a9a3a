"""`/pulls`"""

from typing import Any

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, path, query
from connect_health.models import Pull
from connect_health.pages import Page


class Pulls(Resource[TransportT]):
    """Fetches of a connection's records."""

    @operation
    def create(self, patient_id: str, conn_id: str, *, idempotency_key: str | None = None) -> Call[Pull]:
        """Pull a connection (`conn_…`) now; answers the pull under way where there is one."""
        where = path("/patients/{id}/connections/{conn_id}/pull", id=patient_id, conn_id=conn_id)
        return Call("POST", where, Pull, body={}, idempotency_key=idempotency_key)

    @listing
    def list(
        self, *, status: str | None = None, patient_id: str | None = None, limit: int = 100,
        starting_after: str | None = None,
    ) -> Call[Page[Pull]]:  # fmt: skip
        """Pulls, newest first."""
        asked = query(status=status, patient_id=patient_id, limit=limit, starting_after=starting_after)
        return Call("GET", "/pulls", Page[Pull], asked)

    @operation
    def retrieve(self, pull_id: str) -> Call[Pull]:
        """One pull with its progress by type."""
        return Call("GET", path("/pulls/{id}", id=pull_id), Pull)

    @operation
    def retry(self, pull_id: str, *, idempotency_key: str | None = None) -> Call[Pull]:
        """Ask again only for what a settled pull could not have. Raises Conflict where nothing lacks."""
        return Call("POST", path("/pulls/{id}/retry", id=pull_id), Pull, body={}, idempotency_key=idempotency_key)

    @operation
    def manifest(self, pull_id: str) -> Call[dict[str, Any]]:
        """What a settled pull can vouch for. Raises NotFound until it is settled."""
        return Call("GET", path("/pulls/{id}/manifest", id=pull_id), dict[str, Any])
