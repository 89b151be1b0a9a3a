"""`/patient-flows`"""

from collections.abc import Sequence
from typing import Any

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, filled, path, query
from connect_health.models import PatientFlow, Timeline
from connect_health.pages import Page


class PatientFlows(Resource[TransportT]):
    """Links by which patients connect their portals."""

    @operation
    def create(
        self, *, patient_id: str, return_url: str, patient_email: str | None = None, patient_name: str | None = None,
        connection_id: str | None = None, recommended_connection_ids: Sequence[str] | None = None,
        return_button_label: str | None = None, expires_in: int | None = None, metadata: dict[str, Any] | None = None,
        locale: str | None = None, reconnect: str | None = None, idempotency_key: str | None = None,
    ) -> Call[PatientFlow]:  # fmt: skip
        """Make a link: `url` is what the patient opens.

        With `connection_id` (a source's id or FHIR base URL) the patient goes straight to that portal; with
        `reconnect` (a `conn_…` id) to that connection's; else they search, `recommended_connection_ids` shown first.
        """
        body = filled(
            patient_id=patient_id, return_url=return_url, patient_email=patient_email, patient_name=patient_name,
            connection_id=connection_id, recommended_connection_ids=recommended_connection_ids,
            return_button_label=return_button_label, expires_in=expires_in, metadata=metadata, locale=locale,
            reconnect=reconnect,
        )  # fmt: skip
        return Call("POST", "/patient-flows", PatientFlow, body=body, idempotency_key=idempotency_key)

    @listing
    def list(
        self, *, status: str | None = None, patient_id: str | None = None, limit: int = 100,
        starting_after: str | None = None,
    ) -> Call[Page[PatientFlow]]:  # fmt: skip
        """Flows, newest first; `status` is open, complete or expired."""
        asked = query(status=status, patient_id=patient_id, limit=limit, starting_after=starting_after)
        return Call("GET", "/patient-flows", Page[PatientFlow], asked)

    @operation
    def retrieve(self, flow_id: str) -> Call[PatientFlow]:
        """One flow with its connections so far."""
        return Call("GET", path("/patient-flows/{id}", id=flow_id), PatientFlow)

    @operation
    def expire(self, flow_id: str, *, idempotency_key: str | None = None) -> Call[PatientFlow]:
        """End an open link at once. Raises Conflict when it is not open."""
        where = path("/patient-flows/{id}/expire", id=flow_id)
        return Call("POST", where, PatientFlow, body={}, idempotency_key=idempotency_key)

    @operation
    def timeline(self, flow_id: str) -> Call[Timeline]:
        """Every step of a flow with its time and outcome."""
        return Call("GET", path("/patient-flows/{id}/timeline", id=flow_id), Timeline)
