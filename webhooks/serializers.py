"""Bodies of the webhook API (contract 6): what comes in, checked; what goes out."""

from datetime import UTC, datetime

from django.utils import timezone
from rest_framework import serializers

from connect import outbound
from connect.organizations.fields import InstantField, MetadataField
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from webhooks import event_types
from webhooks.models import Delivery, Endpoint

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

    child = serializers.ChoiceField(
        choices=event_types.SUBSCRIBABLE,
        error_messages={"invalid_choice": f"Unknown event type; known: {', '.join(event_types.SUBSCRIBABLE)}"},
    )

    def __init__(self, **kwargs):
        super().__init__(min_length=1, max_length=len(event_types.SUBSCRIBABLE), allow_empty=False, **kwargs)

    def to_internal_value(self, data):
        return list(dict.fromkeys(super().to_internal_value(data)))


class NewEndpoint(StrictSerializer):
    """The body of `POST /webhooks`."""

    url = UrlField()
    events = EventTypesField()
    description = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500)
    metadata = MetadataField(required=False)


class EndpointChanges(StrictSerializer):
    """The body of `PATCH /webhooks/{id}`."""

    url = UrlField(required=False)
    events = EventTypesField(required=False)
    description = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=500)
    metadata = MetadataField(required=False)
    status = serializers.ChoiceField(choices=Endpoint.Status.values, required=False)


class Rotation(StrictSerializer):
    """The body of `POST /webhooks/{id}/rotate-secret`."""

    overlap_seconds = serializers.IntegerField(required=False, min_value=0, max_value=86400, default=0)


class Recovery(StrictSerializer):
    """The body of `POST /webhooks/{id}/recover`."""

    since = serializers.DateTimeField(default_timezone=UTC)

    def validate_since(self, value: datetime) -> datetime:
        if value > timezone.now():
            raise serializers.ValidationError("A time in the past, such as 2026-04-25T14:30:00.000Z")
        return value


class Advance(StrictSerializer):
    """The body of `POST /sandbox/webhooks/{id}/advance`."""

    seconds = serializers.IntegerField(min_value=1, max_value=30 * 86400)


class NoBody(StrictSerializer):
    """For operations that take nothing."""


class EndpointQuery(PageQuery):
    """Filters of `GET /webhooks`."""

    status = serializers.ChoiceField(choices=Endpoint.Status.values, required=False)


class EndpointEventQuery(PageQuery):
    """Filters of `GET /webhooks/{id}/events`."""

    delivered = serializers.ChoiceField(choices=["true", "false"], required=False)


class EventQuery(PageQuery):
    """Filters of `GET /events`. `after_sequence` needs `webhook_id` and turns the order to oldest first."""

    webhook_id = serializers.CharField(required=False, max_length=40)
    type = serializers.ChoiceField(choices=event_types.KNOWN, required=False)
    after_sequence = serializers.IntegerField(required=False, min_value=0, max_value=2**63 - 1)

    def validate(self, data):
        if "after_sequence" in data and "webhook_id" not in data:
            raise serializers.ValidationError({"after_sequence": ["Needs webhook_id: sequences are an endpoint's"]})
        return data


class EndpointBody(serializers.Serializer):
    """WebhookEndpoint, without its secret."""

    id = serializers.CharField()
    resource_type = serializers.ReadOnlyField(default="webhook_endpoint")
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    status = serializers.CharField()
    description = serializers.CharField(allow_null=True)
    metadata = serializers.JSONField()
    api_version = serializers.CharField()
    created_at = InstantField()
    updated_at = InstantField()


class EndpointWithSecretBody(EndpointBody):
    """WebhookEndpoint as it is answered once, when its secret is new."""

    secret = serializers.CharField()


class DeliveryBody(serializers.ModelSerializer):
    """One attempt."""

    started_at = InstantField()

    class Meta:
        model = Delivery
        fields = ("number", "trigger", "started_at", "duration_ms", "status_code", "error")


class EventBody(serializers.Serializer):
    """WebhookEvent: one event at one endpoint. `sequence` is null for the moment until the worker has numbered it."""

    id = serializers.CharField()
    resource_type = serializers.ReadOnlyField(default="event")
    webhook_endpoint_id = serializers.CharField(source="endpoint_id")
    type = serializers.CharField()
    data = serializers.JSONField()
    api_version = serializers.CharField()
    attempts = serializers.IntegerField()
    next_attempt_at = InstantField(allow_null=True)
    delivered_at = InstantField(allow_null=True)
    last_status_code = serializers.IntegerField(allow_null=True)
    last_response_body = serializers.CharField(allow_null=True)
    last_redelivered_at = InstantField(allow_null=True)
    created_at = InstantField()
    patient_id = serializers.CharField(allow_null=True)
    sequence = serializers.IntegerField(allow_null=True)
    status = serializers.CharField()


class EventWithDeliveriesBody(EventBody):
    """WebhookEvent with every attempt, newest first."""

    deliveries = DeliveryBody(many=True)


class DeletedEndpointBody(serializers.Serializer):
    """The tombstone of an endpoint."""

    id = serializers.CharField()
    resource_type = serializers.ReadOnlyField(default="webhook_endpoint")
    deleted = serializers.ReadOnlyField(default=True)


class RecoveryBody(serializers.Serializer):
    """What a recovery began: how many events are queued."""

    id = serializers.CharField()
    resource_type = serializers.ReadOnlyField(default="webhook_recovery")
    since = InstantField()
    queued = serializers.IntegerField()


def delivered_filter(query: dict) -> dict:
    """`delivered=true|false` as a condition on events."""
    wanted = query.get("delivered")
    return {} if wanted is None else {"delivered_at__isnull": wanted == "false"}
