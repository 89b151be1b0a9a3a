"""`/patients/{id}/records`"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connect_health._binding import Resource, TransportT, listing, operation, streaming
from connect_health._calls import Call, path, query
from connect_health.models import Record
from connect_health.pages import Page


class Records(Resource[TransportT]):
    """A patient's FHIR resources, as their portals sent them, in the order in which they landed."""

    @listing
    def list(
        self, patient_id: str, *, type: str | Sequence[str] | None = None, since: datetime | None = None,
        source: str | None = None, changes: bool | None = None, count: int = 100, starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Call[Page[Record]]:  # fmt: skip
        """Records, oldest landing first. Keep the last page's `next_cursor` and come back with it for what is new.

        `changes=True` tells of each record whether it is new, changed or gone, and by which pull.
        """
        asked = query(
            type=type, since=since, source=source, changes=changes, count=count, starting_after=starting_after,
            ending_before=ending_before,
        )  # fmt: skip
        return Call("GET", path("/patients/{id}/records", id=patient_id), Page[Record], asked)

    @streaming
    def export(
        self, patient_id: str, *, type: str | Sequence[str] | None = None, since: datetime | None = None,
        source: str | None = None, changes: bool | None = None,
    ) -> Call[Any]:  # fmt: skip
        """All records in one answer, a resource a line, each line the bytes of its JSON. Memory stays small.

        `changes=True` brings those too that are gone at their source. Raises NoAnswer when the answer breaks off; `list` with a cursor goes on where it stopped.
        """
        where = path("/patients/{id}/records/$export", id=patient_id)
        return Call("GET", where, object, query(type=type, since=since, source=source, changes=changes))

    @operation
    def completeness(self, patient_id: str) -> Call[dict[str, Any]]:
        """What all of the patient's pulls can vouch for, in sentences."""
        return Call("GET", path("/patients/{id}/completeness", id=patient_id), dict[str, Any])
