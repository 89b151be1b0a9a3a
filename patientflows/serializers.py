"""Bodies of the flow API (contract 3): what comes in, checked; what goes out."""

from urllib.parse import urlsplit

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from connect.fields import ConstantField, OneOfField, WholeNumberField
from connect.organizations.fields import InstantField, MetadataField, PatientIdField
from connect.organizations.models import Environment
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from patientflows.links import flow_url
from patientflows.models import Attempt, PatientFlow, Step
from portals.models import Connection


class NewFlow(StrictSerializer):
    """The body of `POST /patient-flows`."""

    patient_id = PatientIdField(help_text="Your own id of the patient, who is made if absent.")
    patient_email = serializers.EmailField(
        required=False, allow_null=True, max_length=254, help_text="Stored or updated on the patient."
    )
    patient_name = serializers.CharField(
        required=False, allow_null=True, max_length=200, help_text="Stored or updated on the patient."
    )
    connection_id = serializers.CharField(
        required=False, allow_null=True, max_length=500,
        help_text="Direct Mode: a source's id (`fhirsrc_…`) or its FHIR base URL. Not with recommendations.",
    )  # fmt: skip
    recommended_connection_ids = serializers.ListField(
        child=serializers.CharField(max_length=500), required=False, allow_null=True, max_length=50,
        help_text="Picker Mode: sources shown first, by id or FHIR base URL.",
    )  # fmt: skip
    return_url = serializers.URLField(
        max_length=2000, help_text="Where the patient goes in the end: absolute http(s); https only in production."
    )
    return_button_label = serializers.CharField(
        required=False, allow_null=True, min_length=1, max_length=60, help_text="`Done — return to {label}`."
    )
    expires_in = WholeNumberField(60, 86400, required=False, default=1800, help_text="The link's life in seconds.")
    metadata = MetadataField(required=False, help_text="Echoed on the flow and in its events.")
    locale = OneOfField(
        ["en", "es"], required=False, allow_null=True, help_text="The pages' language; without it, the browser's."
    )
    reconnect = serializers.CharField(
        required=False, allow_null=True, max_length=40,
        help_text="A connection's own id (`conn_…`): Direct Mode to its source, to renew access.",
    )  # fmt: skip

    def validate_return_url(self, value):
        parts = urlsplit(value)
        # Browsers read a backslash as a slash, and a user name may look like a host: neither is ever meant.
        if parts.scheme not in ("http", "https") or "\\" in value or "@" in parts.netloc:
            raise serializers.ValidationError("An absolute http(s) URL without a user name")
        if parts.scheme == "http" and self.context["environment"] == Environment.PRODUCTION:
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


class PatientFlowQuery(PageQuery):
    """Filters of `GET /patients/{id}/patient-flows`."""

    status = OneOfField(PatientFlow.Status.values, required=False, help_text="Only flows of this status.")


class FlowQuery(PatientFlowQuery):
    """Filters of `GET /patient-flows`."""

    patient_id = serializers.CharField(required=False, max_length=200, help_text="Only this patient's flows.")


@extend_schema_serializer(component_name="FlowConnection")
class AttemptOutcome(serializers.Serializer):
    """A connection in a flow: one attempt that has ended. `connection_id` is the source's id."""

    id = serializers.CharField(
        source="connection.id", default=None, allow_null=True, help_text="`conn_…`; null where access was not granted."
    )
    connection_id = serializers.CharField(source="source_id", help_text="The source's id (`fhirsrc_…`).")
    status = serializers.SerializerMethodField(help_text="How it stands now; `active` is the only “connected”.")
    failure_code = serializers.SerializerMethodField(help_text="Why it failed, as a code of ours.")
    failure_at = serializers.SerializerMethodField(help_text="When it failed.")
    created_at = InstantField(help_text="When the patient left for the portal.")

    @extend_schema_field(OneOfField((*Connection.Status.values, Attempt.Status.FAILED.value)))
    def get_status(self, attempt) -> str:
        if attempt.status == Attempt.Status.CONNECTED:
            return attempt.connection.status if attempt.connection else Connection.Status.DISCONNECTED
        return attempt.status

    def get_failure_code(self, attempt) -> str | None:
        return attempt.connection.failure_code if attempt.connection else attempt.failure_code

    @extend_schema_field(InstantField(allow_null=True))
    def get_failure_at(self, attempt) -> str | None:
        at = attempt.connection.failure_at if attempt.connection else attempt.failure_at
        return InstantField().to_representation(at)


@extend_schema_serializer(component_name="PatientFlow")
class FlowBody(serializers.Serializer):
    """A link that a patient opens to connect portals. `complete` says nothing about access; `connections` do."""

    id = serializers.CharField(help_text="`pf_…`")
    resource_type = ConstantField("patient_flow", help_text="What this object is.")
    status = OneOfField(PatientFlow.Status.values, help_text="`open`, and then `complete` or `expired`, once.")
    url = serializers.SerializerMethodField(help_text="The link for the patient, for as long as the flow is open.")
    patient_id = serializers.CharField(source="patient.patient_id", help_text="Your own id of the patient.")
    connection_id = serializers.CharField(
        source="source_id", allow_null=True, help_text="Direct Mode: the source's id (`fhirsrc_…`)."
    )
    recommended_connection_ids = serializers.ListField(
        source="recommended", child=serializers.CharField(), allow_null=True,
        help_text="Picker Mode: the sources shown first; null in Direct Mode.",
    )  # fmt: skip
    return_url = serializers.CharField(help_text="Where the patient goes in the end.")
    return_button_label = serializers.CharField(allow_null=True, help_text="`Done — return to {label}`.")
    connections = serializers.SerializerMethodField(help_text="One an attempt that has ended, newest first.")
    expires_at = InstantField(help_text="When the link stops opening.")
    metadata = MetadataField(help_text="As you gave it.")
    created_at = InstantField(help_text="When the flow was made.")
    completed_at = InstantField(allow_null=True, help_text="When the flow was completed.")

    def get_url(self, flow) -> str | None:
        return flow_url(flow.token) if flow.is_open else None

    @extend_schema_field(AttemptOutcome(many=True))
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


@extend_schema_serializer(component_name="FlowStep")
class StepBody(serializers.Serializer):
    """One step of a flow, without personal data."""

    kind = OneOfField(Step.Kind.values, help_text="What happened.")
    at = InstantField(help_text="When it happened.")
    outcome = serializers.CharField(allow_blank=True, help_text="A failure code, or another short word of ours.")
    connection_id = serializers.CharField(
        source="source_id", allow_null=True, help_text="The source's id, where the step is about one."
    )


@extend_schema_serializer(component_name="FlowTimeline")
class TimelineBody(serializers.Serializer):
    """Every step of a flow, oldest first."""

    resource_type = ConstantField("patient_flow_timeline", help_text="What this object is.")
    patient_flow_id = serializers.CharField(help_text="The flow's id.")
    steps = StepBody(many=True, help_text="Oldest first.")
