"""`/patients`"""

from typing import Any

from connect_health._binding import Resource, TransportT, listing, operation
from connect_health._calls import Call, filled, path, query
from connect_health.models import Patient, PatientFlow, Tombstone
from connect_health.pages import Page


class Patients(Resource[TransportT]):
    """The people whose records you ask for; a patient's id is your own."""

    @operation
    def create(
        self, *, patient_id: str, email: str | None = None, name: str | None = None,
        metadata: dict[str, Any] | None = None, idempotency_key: str | None = None,
    ) -> Call[Patient]:  # fmt: skip
        """Make a patient. Raises Conflict (`external_id_already_exists`)."""
        body = filled(patient_id=patient_id, email=email, name=name, metadata=metadata)
        return Call("POST", "/patients", Patient, body=body, idempotency_key=idempotency_key)

    @listing
    def list(
        self, *, patient_id: str | None = None, email: str | None = None, limit: int = 100,
        starting_after: str | None = None,
    ) -> Call[Page[Patient]]:  # fmt: skip
        """Patients, newest first; the filters are exact."""
        asked = query(patient_id=patient_id, email=email, limit=limit, starting_after=starting_after)
        return Call("GET", "/patients", Page[Patient], asked)

    @operation
    def retrieve(self, patient_id: str) -> Call[Patient]:
        """One patient with their `connections`."""
        return Call("GET", path("/patients/{id}", id=patient_id), Patient)

    @operation
    def replace(
        self, patient_id: str, *, email: str | None = None, name: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Call[Patient]:  # fmt: skip
        """Write the whole patient: what is not given is cleared."""
        body = filled(patient_id=patient_id, email=email, name=name, metadata=metadata)
        return Call("PUT", path("/patients/{id}", id=patient_id), Patient, body=body)

    @operation
    def delete(self, patient_id: str) -> Call[Tombstone]:
        """Erase the patient with flows, connections, tokens, records, exports and what events tell of them."""
        return Call("DELETE", path("/patients/{id}", id=patient_id), Tombstone)

    @operation
    def disconnect(self, patient_id: str, conn_id: str) -> Call[Tombstone]:
        """End one connection (`conn_…`): revoked at the portal, records kept."""
        where = path("/patients/{id}/connections/{conn_id}", id=patient_id, conn_id=conn_id)
        return Call("DELETE", where, Tombstone)

    @listing
    def list_patient_flows(
        self, patient_id: str, *, status: str | None = None, limit: int = 100, starting_after: str | None = None
    ) -> Call[Page[PatientFlow]]:
        """A patient's flows, newest first."""
        where = path("/patients/{id}/patient-flows", id=patient_id)
        return Call("GET", where, Page[PatientFlow], query(status=status, limit=limit, starting_after=starting_after))
