"""`/connections`: the catalogue."""

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, path, query
from connect_health.models import FhirSource
from connect_health.pages import Page


class Connections(Resource[TransportT]):
    """The sources a patient may connect. A patient's own connections are in `patients.retrieve`."""

    @listing
    def list(
        self, *, q: str | None = None, type: str | None = None, state: str | None = None,
        postal_code: str | None = None, limit: int = 100, starting_after: str | None = None,
    ) -> Call[Page[FhirSource]]:  # fmt: skip
        """Sources; with `q` ranked, forgiving typos; `state` and `postal_code` bring near ones first."""
        asked = query(q=q, type=type, state=state, postal_code=postal_code, limit=limit, starting_after=starting_after)
        return Call("GET", "/connections", Page[FhirSource], asked)

    @operation
    def retrieve(self, connection_id: str) -> Call[FhirSource]:
        """One source by its `fhirsrc_…` id or its FHIR base URL."""
        return Call("GET", path("/connections/{id}", id=connection_id), FhirSource)
