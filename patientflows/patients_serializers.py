"""Bodies of the patient API (contract 2). A patient's connections are grants and, where there never was one, attempts."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from connect.fields import ConstantField, OneOfField
from connect.organizations.fields import InstantField, MetadataField, PatientIdField
from connect.organizations.models import Patient
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from patientflows.models import Attempt
from portals.models import Connection
from portals.serializers import ConnectionBody


class NewPatient(StrictSerializer):
    """The body of `POST /patients`, and of `PUT /patients/{id}`, where what is omitted is cleared."""

    patient_id = PatientIdField(help_text="Your own id of the patient; it becomes the Patient's `id`.")
    email = serializers.EmailField(
        required=False, allow_null=True, max_length=254, help_text="Kept for you; nothing is sent to it."
    )
    name = serializers.CharField(
        required=False, allow_null=True, max_length=200, help_text="Kept for you; patients see it on their own page."
    )
    metadata = MetadataField(required=False, help_text="Anything of yours: 50 keys and 16 KiB at most; replaced whole.")


class PatientQuery(PageQuery):
    """Filters of `GET /patients`, both exact."""

    patient_id = serializers.CharField(required=False, max_length=200, help_text="Exactly this id of yours.")
    email = serializers.CharField(required=False, max_length=254, help_text="Exactly this address.")


@extend_schema_serializer(component_name="PatientConnection")
class PatientConnectionBody(ConnectionBody):
    """A patient's connection: a grant at a source, or an attempt that never became one, whose `id` is null."""

    id = serializers.CharField(allow_null=True, help_text="`conn_…`; null where access was never granted.")
    status = OneOfField(
        (*Connection.Status.values, Attempt.Status.FAILED.value), help_text="`active` is the only “connected”."
    )


@extend_schema_serializer(component_name="Patient")
class PatientBody(serializers.Serializer):
    """A person you ask for records. The id is your own `patient_id`."""

    id = serializers.CharField(source="patient_id", help_text="Your own id of the patient.")
    resource_type = ConstantField("patient", help_text="What this object is.")
    email = serializers.CharField(allow_null=True, help_text="As you gave it.")
    name = serializers.CharField(allow_null=True, help_text="As you gave it.")
    metadata = MetadataField(help_text="As you gave it.")
    created_at = InstantField(help_text="When the patient was made.")


@extend_schema_serializer(component_name="PatientWithConnections")
class PatientWithConnectionsBody(PatientBody):
    """A Patient with its connections."""

    connections = PatientConnectionBody(
        many=True, help_text="Newest first: grants, and attempts that never became one."
    )


@extend_schema_serializer(component_name="DeletedPatient")
class DeletedPatientBody(serializers.Serializer):
    """What is left of an erased patient."""

    id = serializers.CharField(help_text="Your own id of the patient.")
    resource_type = ConstantField("patient", help_text="What was deleted.")
    deleted = ConstantField(True, help_text="Always true.")


@extend_schema_serializer(component_name="DisconnectedConnection")
class DisconnectedBody(serializers.Serializer):
    """What a disconnection answers."""

    id = serializers.CharField(help_text="The connection's id.")
    resource_type = ConstantField("connection", help_text="What was disconnected.")
    disconnected = ConstantField(True, help_text="Always true.")


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
