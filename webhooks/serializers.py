"""Bodies of the webhook API (contract 6): what comes in, checked; what goes out."""

from datetime import UTC, datetime

from django.utils import timezone
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from connect import outbound
from connect.fields import ConstantField, OneOfField, WholeNumberField
from connect.organizations.fields import InstantField, MetadataField
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from webhooks import event_types
from webhooks.models import Endpoint, Event, Trigger

URL_REFUSALS = {
    "insecure": "Must be https",
    "address_not_allowed": "Must be a public address: this one is private, local or reserved",
}


class UrlField(serializers.CharField):
    """A URL that may be called: public https, unless local development is allowed by a setting."""

    def __init__(self, **kwargs):
        super().__init__(max_length=2000, **kwargs)

    def to_internal_value(self, data):
        value = super().to_internal_value(data)
        try:
            outbound.check_url(value)
        except outbound.OutboundError as error:
            message = URL_REFUSALS.get(error.reason, "An absolute https URL of printable ASCII characters")
            raise serializers.ValidationError(message) from None
        return value


class EventTypesField(serializers.ListField):
    """`"*"` or known types, at least one; repeated ones count once."""

    child = OneOfField(event_types.SUBSCRIBABLE)

    def __init__(self, **kwargs):
        super().__init__(min_length=1, max_length=len(event_types.SUBSCRIBABLE), allow_empty=False, **kwargs)

    def to_internal_value(self, data):
        return list(dict.fromkeys(super().to_internal_value(data)))


URL_HELP = "Where events are sent: public https."
EVENTS_HELP = 'The types to hear of; `"*"` is all of them.'
DESCRIPTION_HELP = "What this endpoint is for."
METADATA_HELP = "Anything of yours: 50 keys and 16 KiB at most; replaced whole."


class NewEndpoint(StrictSerializer):
    """The body of `POST /webhooks`."""

    url = UrlField(help_text=URL_HELP)
    events = EventTypesField(help_text=EVENTS_HELP)
    description = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=500, help_text=DESCRIPTION_HELP
    )
    metadata = MetadataField(required=False, help_text=METADATA_HELP)


class EndpointChanges(StrictSerializer):
    """The body of `PATCH /webhooks/{id}`."""

    url = UrlField(required=False, help_text=URL_HELP)
    events = EventTypesField(required=False, help_text=EVENTS_HELP)
    description = serializers.CharField(
        required=False, allow_null=True, allow_blank=True, max_length=500, help_text=DESCRIPTION_HELP
    )
    metadata = MetadataField(required=False, help_text=METADATA_HELP)
    status = OneOfField(
        Endpoint.Status.values, required=False,
        help_text="`disabled` holds what is pending; `active` again sends nothing old by itself: `recover` does.",
    )  # fmt: skip


class Rotation(StrictSerializer):
    """The body of `POST /webhooks/{id}/rotate-secret`."""

    overlap_seconds = WholeNumberField(
        0, 86400, required=False, default=0, help_text="For how long the old secret signs too."
    )


class Recovery(StrictSerializer):
    """The body of `POST /webhooks/{id}/recover`."""

    since = serializers.DateTimeField(default_timezone=UTC, help_text="Queue what was made at this time or later.")

    def validate_since(self, value: datetime) -> datetime:
        if value > timezone.now():
            raise serializers.ValidationError("A time in the past, such as 2026-04-25T14:30:00.000Z")
        return value


@extend_schema_serializer(component_name="AdvanceWebhook")
class Advance(StrictSerializer):
    """The body of `POST /sandbox/webhooks/{id}/advance`."""

    seconds = WholeNumberField(1, 30 * 86400, help_text="How much time to live through.")


class EndpointQuery(PageQuery):
    """Filters of `GET /webhooks`."""

    status = OneOfField(Endpoint.Status.values, required=False, help_text="Only endpoints of this status.")


class EndpointEventQuery(PageQuery):
    """Filters of `GET /webhooks/{id}/events`."""

    delivered = OneOfField(
        ["true", "false"], required=False, help_text="Only those that a 2xx answered, or only others."
    )


class EventQuery(PageQuery):
    """Filters of `GET /events`. `after_sequence` needs `webhook_id` and turns the order to oldest first."""

    webhook_id = serializers.CharField(required=False, max_length=40, help_text="Only this endpoint's events.")
    type = OneOfField(event_types.KNOWN, required=False, help_text="Only events of this type.")
    after_sequence = WholeNumberField(
        0, 2**63 - 1, required=False,
        help_text="Only events after this number, oldest first, to fill a gap with. Needs `webhook_id`.",
    )  # fmt: skip

    def validate(self, data):
        if "after_sequence" in data and "webhook_id" not in data:
            raise serializers.ValidationError({"after_sequence": ["Needs webhook_id: sequences are an endpoint's"]})
        return data


@extend_schema_serializer(component_name="WebhookEndpoint")
class EndpointBody(serializers.Serializer):
    """A URL of yours that hears of events."""

    id = serializers.CharField(help_text="`wh_…`")
    resource_type = ConstantField("webhook_endpoint", help_text="What this object is.")
    url = serializers.CharField(help_text="Where events are sent.")
    events = serializers.ListField(child=OneOfField(event_types.SUBSCRIBABLE), help_text="The types it hears of.")
    status = OneOfField(Endpoint.Status.values, help_text="`disabled` by you, or when an event's ninth attempt failed.")
    description = serializers.CharField(allow_null=True, help_text="As you gave it.")
    metadata = MetadataField(help_text="As you gave it.")
    api_version = serializers.CharField(help_text="The version its events are written in.")
    created_at = InstantField(help_text="When it was made.")
    updated_at = InstantField(help_text="When it last changed.")


@extend_schema_serializer(component_name="WebhookEndpointWithSecret")
class EndpointWithSecretBody(EndpointBody):
    """A WebhookEndpoint as it is answered once, when its secret is new."""

    secret = serializers.CharField(help_text="`whsec_…`, shown this once: verify signatures with it.")


@extend_schema_serializer(component_name="WebhookAttempt")
class DeliveryBody(serializers.Serializer):
    """One attempt to deliver an event."""

    number = serializers.IntegerField(help_text="1 for the event's first attempt.")
    trigger = OneOfField(Trigger.values, help_text="Why it ran.")
    started_at = InstantField(help_text="When it began.")
    duration_ms = serializers.IntegerField(help_text="How long it took, in milliseconds.")
    status_code = serializers.IntegerField(allow_null=True, help_text="The receiver's status, if it answered.")
    error = serializers.CharField(
        allow_blank=True, help_text="Why it failed: `status`, `refused`, `read_timeout`, `tls`, …; empty for a 2xx."
    )


@extend_schema_serializer(component_name="WebhookEvent")
class EventBody(serializers.Serializer):
    """One event at one endpoint."""

    id = serializers.CharField(help_text="`evt_…`, the same at every attempt: your key to see each event once.")
    resource_type = ConstantField("event", help_text="What this object is.")
    webhook_endpoint_id = serializers.CharField(source="endpoint_id", help_text="The endpoint's id.")
    type = OneOfField(event_types.KNOWN, help_text="What happened.")
    data = serializers.DictField(help_text="`object`: the thing it happened to, as it was then.")
    api_version = serializers.CharField(help_text="The version it is written in.")
    attempts = serializers.IntegerField(help_text="Attempts made.")
    next_attempt_at = InstantField(allow_null=True, help_text="When it is tried next.")
    delivered_at = InstantField(allow_null=True, help_text="When a 2xx answered it.")
    last_status_code = serializers.IntegerField(allow_null=True, help_text="The last answer's status.")
    last_response_body = serializers.CharField(allow_null=True, help_text="The last answer's body, 4 KB at most.")
    last_redelivered_at = InstantField(allow_null=True, help_text="When it was last queued again by hand.")
    created_at = InstantField(help_text="When it happened.")
    patient_id = serializers.CharField(allow_null=True, help_text="Your own id of the patient it is about.")
    sequence = serializers.IntegerField(
        allow_null=True, help_text="Its number at this endpoint, without gaps; null for the moment until it has one."
    )
    status = OneOfField(Event.Status.values, help_text="`held` waits for `recover`; `exhausted` failed nine times.")


@extend_schema_serializer(component_name="WebhookEventWithAttempts")
class EventWithDeliveriesBody(EventBody):
    """A WebhookEvent with every attempt."""

    deliveries = DeliveryBody(many=True, help_text="Newest first; kept for 30 days.")


@extend_schema_serializer(component_name="DeletedWebhookEndpoint")
class DeletedEndpointBody(serializers.Serializer):
    """What is left of a deleted endpoint."""

    id = serializers.CharField(help_text="The endpoint's id.")
    resource_type = ConstantField("webhook_endpoint", help_text="What was deleted.")
    deleted = ConstantField(True, help_text="Always true.")


@extend_schema_serializer(component_name="WebhookRecovery")
class RecoveryBody(serializers.Serializer):
    """What a recovery began."""

    id = serializers.CharField(help_text="The endpoint's id.")
    resource_type = ConstantField("webhook_recovery", help_text="What this object is.")
    since = InstantField(help_text="As you gave it.")
    queued = serializers.IntegerField(help_text="How many events are queued.")


def delivered_filter(query: dict) -> dict:
    """`delivered=true|false` as a condition on events."""
    wanted = query.get("delivered")
    return {} if wanted is None else {"delivered_at__isnull": wanted == "false"}
