"""`/exports` and `/export-destinations`"""

from typing import Any

from msgspec import UNSET, UnsetType

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, filled, given, path, query
from connect_health.models import Export, ExportDestination
from connect_health.pages import Page


class Exports(Resource[TransportT]):
    """Runs that write records to a destination."""

    @operation
    def create(
        self, *, destination_id: str, mode: str | None = None, idempotency_key: str | None = None
    ) -> Call[Export]:
        """Start a run by hand; `mode` is changes (since the last run) or all."""
        body = filled(destination_id=destination_id, mode=mode)
        return Call("POST", "/exports", Export, body=body, idempotency_key=idempotency_key)

    @listing
    def list(
        self, *, destination_id: str | None = None, status: str | None = None, limit: int = 100,
        starting_after: str | None = None,
    ) -> Call[Page[Export]]:  # fmt: skip
        """Runs, newest first."""
        asked = query(destination_id=destination_id, status=status, limit=limit, starting_after=starting_after)
        return Call("GET", "/exports", Page[Export], asked)

    @operation
    def retrieve(self, export_id: str) -> Call[Export]:
        """One run with its counts and errors."""
        return Call("GET", path("/exports/{id}", id=export_id), Export)


class ExportDestinations(Resource[TransportT]):
    """Buckets, FHIR servers and folders that records are written to."""

    @operation
    def create(
        self, *, name: str, kind: str, settings: dict[str, Any], credentials: dict[str, Any] | None = None,
        enabled: bool | None = None, idempotency_key: str | None = None,
    ) -> Call[ExportDestination]:  # fmt: skip
        """Add a destination, once it could be written; its first run, of everything, begins at once.

        `kind` is s3, fhir or folder. Raises EhrFailed (`storage_error`) where it cannot be written.
        """
        body = filled(name=name, kind=kind, settings=settings, credentials=credentials, enabled=enabled)
        return Call("POST", "/export-destinations", ExportDestination, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, *, limit: int = 100, starting_after: str | None = None) -> Call[Page[ExportDestination]]:
        """Destinations, newest first."""
        asked = query(limit=limit, starting_after=starting_after)
        return Call("GET", "/export-destinations", Page[ExportDestination], asked)

    @operation
    def retrieve(self, destination_id: str) -> Call[ExportDestination]:
        """One destination, without its credentials."""
        return Call("GET", path("/export-destinations/{id}", id=destination_id), ExportDestination)

    @operation
    def update(
        self, destination_id: str, *, name: str | UnsetType = UNSET, settings: dict[str, Any] | UnsetType = UNSET,
        credentials: dict[str, Any] | UnsetType = UNSET, enabled: bool | UnsetType = UNSET,
    ) -> Call[ExportDestination]:  # fmt: skip
        """Change what is given; enabled again, it catches up."""
        body = given(name=name, settings=settings, credentials=credentials, enabled=enabled)
        return Call("PATCH", path("/export-destinations/{id}", id=destination_id), ExportDestination, body=body)
