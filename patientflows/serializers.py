"""Bodies of the flow API (contract 3): what comes in, checked; what goes out."""

from urllib.parse import urlsplit

from rest_framework import serializers

from connect.organizations.fields import InstantField, MetadataField, PatientIdField
from connect.organizations.models import Environment
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from patientflows.links import flow_url
from patientflows.models import Attempt, PatientFlow
from portals.models import Connection


class NewFlow(StrictSerializer):
    """The body of `POST /patient-flows`."""

    patient_id = PatientIdField()
    patient_email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    patient_name = serializers.CharField(required=False, allow_null=True, max_length=200)
    connection_id = serializers.CharField(required=False, allow_null=True, max_length=500)
    recommended_connection_ids = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, allow_null=True, max_length=50
    )
    return_url = serializers.URLField(max_length=2000)
    return_button_label = serializers.CharField(required=False, allow_null=True, min_length=1, max_length=60)
    expires_in = serializers.IntegerField(required=False, min_value=60, max_value=86400, default=1800)
    metadata = MetadataField(required=False)
    locale = serializers.ChoiceField(choices=["en", "es"], required=False, allow_null=True)
    reconnect = serializers.CharField(required=False, allow_null=True, max_length=40)

    def validate_return_url(self, value):
        parts = urlsplit(value)
        # Browsers read a backslash as a slash, and a user name may look like a host: neither is ever meant.
        if parts.scheme not in ("http", "https") or "\\" in value or "@" in parts.netloc:
            raise serializers.ValidationError("An absolute http(s) URL without a user name")
        if parts.scheme == "http" and self.context["caller"].environment == Environment.PRODUCTION:
            raise serializers.ValidationError("In production the return_url must be https")
        return value

    def validate(self, data):
        if data.get("connection_id") and data.get("recommended_connection_ids") is not None:
            raise serializers.ValidationError(
                {"recommended_connection_ids": ["Not together with connection_id: Direct Mode shows no list"]}
            )
        if data.get("reconnect") and (data.get("connection_id") or data.get("recommended_connection_ids") is not None):
            raise serializers.ValidationError({"reconnect": ["Not together with connection_id or recommendations"]})
        return data


class FlowQuery(PageQuery):
    """Filters of `GET /patient-flows`."""

    status = serializers.ChoiceField(choices=PatientFlow.Status.values, required=False)
    patient_id = serializers.CharField(required=False, max_length=200)


class PatientFlowQuery(PageQuery):
    """Filters of `GET /patients/{id}/patient-flows`."""

    status = serializers.ChoiceField(choices=PatientFlow.Status.values, required=False)


class AttemptOutcome(serializers.Serializer):
    """A connection in a flow: one attempt that has ended (contract 3). `connection_id` is the source's id."""

    id = serializers.CharField(source="connection.id", default=None, allow_null=True)
    connection_id = serializers.CharField(source="source_id")
    status = serializers.SerializerMethodField()
    failure_code = serializers.SerializerMethodField()
    failure_at = serializers.SerializerMethodField()
    created_at = InstantField()

    def get_status(self, attempt) -> str:
        if attempt.status == Attempt.Status.CONNECTED:
            return attempt.connection.status if attempt.connection else Connection.Status.DISCONNECTED
        return attempt.status

    def get_failure_code(self, attempt) -> str | None:
        return attempt.connection.failure_code if attempt.connection else attempt.failure_code

    def get_failure_at(self, attempt) -> str | None:
        at = attempt.connection.failure_at if attempt.connection else attempt.failure_at
        return InstantField().to_representation(at)


class FlowBody(serializers.Serializer):
    """The PatientFlow of contract 3."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    status = serializers.CharField()
    url = serializers.SerializerMethodField()
    patient_id = serializers.CharField(source="patient.patient_id")
    connection_id = serializers.CharField(source="source_id", allow_null=True)
    recommended_connection_ids = serializers.JSONField(source="recommended", allow_null=True)
    return_url = serializers.CharField()
    return_button_label = serializers.CharField(allow_null=True)
    connections = serializers.SerializerMethodField()
    expires_at = InstantField()
    metadata = serializers.JSONField()
    created_at = InstantField()
    completed_at = InstantField(allow_null=True)

    def get_resource_type(self, flow) -> str:
        return "patient_flow"

    def get_url(self, flow) -> str | None:
        return flow_url(flow.token) if flow.is_open else None

    def get_connections(self, flow) -> list[dict]:
        return AttemptOutcome(ended_attempts(flow), many=True).data


class NewFlowBody(FlowBody):
    """A flow just made: nothing was tried yet, so nothing is asked of the database."""

    def get_connections(self, flow) -> list[dict]:
        return []


def ended_attempts(flow: PatientFlow) -> list[Attempt]:
    """The attempts that tell the integrator something, newest first.

    One that was abandoned at a source where another attempt of this flow ended otherwise tells nothing: a mail scanner
    that opened a Direct link leaves such.
    """
    attempts = [attempt for attempt in flow.attempts.all() if not attempt.is_pending]
    answered = {attempt.source_id for attempt in attempts if attempt.status != Attempt.Status.EXPIRED}
    return [a for a in attempts if a.status != Attempt.Status.EXPIRED or a.source_id not in answered]


class StepBody(serializers.Serializer):
    """One line of a flow's timeline."""

    kind = serializers.CharField()
    at = InstantField()
    outcome = serializers.CharField(allow_blank=True)
    connection_id = serializers.CharField(source="source_id", allow_null=True)
