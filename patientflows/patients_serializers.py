"""Bodies of the patient API (contract 2). A patient's connections are grants and, where there never was one, attempts."""

from rest_framework import serializers

from connect.organizations.fields import InstantField, MetadataField, PatientIdField
from connect.organizations.models import Patient
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from patientflows.models import Attempt
from portals.models import Connection
from portals.serializers import ConnectionBody


class NewPatient(StrictSerializer):
    """The body of `POST /patients`, and of `PUT /patients/{id}`, where what is omitted is cleared."""

    patient_id = PatientIdField()
    email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    name = serializers.CharField(required=False, allow_null=True, max_length=200)
    metadata = MetadataField(required=False)


class PatientQuery(PageQuery):
    """Filters of `GET /patients`, both exact."""

    patient_id = serializers.CharField(required=False, max_length=200)
    email = serializers.CharField(required=False, max_length=254)


class PatientBody(serializers.Serializer):
    """The Patient of contract 2; its id is the integrator's own patient_id."""

    id = serializers.CharField(source="patient_id")
    resource_type = serializers.ReadOnlyField(default="patient")
    email = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    metadata = serializers.JSONField()
    created_at = InstantField()

    def to_representation(self, patient):
        return {**super().to_representation(patient), "resource_type": "patient"}


def attempt_body(attempt: Attempt) -> dict:
    """An attempt that never became a grant, in the shape of a connection; its `id` is null."""
    instant = InstantField().to_representation
    return {
        "id": None, "resource_type": "connection", "patient_flow_id": attempt.flow_id,
        "connection_id": attempt.source_id, "status": attempt.status, "scopes": [],
        "failure_code": attempt.failure_code, "failure_at": instant(attempt.failure_at),
        "created_at": instant(attempt.created_at), "updated_at": instant(attempt.updated_at), "renewable": None,
        "scopes_missing": [], "access_ends_at": None, "last_pulled_at": None, "next_pull_at": None,
    }  # fmt: skip


def connections_of(patient: Patient) -> list[dict]:
    """The patient's connections, newest first: every grant, and the last failed try at a source without one."""
    grants = list(Connection.objects.filter(patient=patient))
    granted = {connection.source_id for connection in grants}
    failed: dict[str, Attempt] = {}
    ended = Attempt.objects.filter(flow__patient=patient, status__in=["failed", "expired"]).order_by("-pk")
    for attempt in ended[:200]:
        if attempt.source_id not in granted:
            failed.setdefault(attempt.source_id, attempt)
    bodies = [ConnectionBody(connection).data for connection in grants] + [attempt_body(a) for a in failed.values()]
    return sorted(bodies, key=lambda body: body["created_at"], reverse=True)
