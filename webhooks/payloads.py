"""Event bodies: the bytes that are signed and sent, and the objects of the events that are about webhooks."""

import json

from connect.organizations.fields import InstantField
from webhooks.models import Endpoint, Event
from webhooks.serializers import EndpointBody

_instant = InstantField().to_representation

# What stays of an event's object when the patient is erased: which thing it was, nothing about whom.
IMPERSONAL = ("id", "resource_type", "status")


def body_of(event: Event) -> bytes:
    """The body of contract 6.2 as UTF-8 JSON, the same for every attempt; adds `patient_id` and `sequence`."""
    body = {
        "id": event.id,
        "object": "event",
        "type": event.type,
        "api_version": event.api_version,
        "created_at": _instant(event.created_at),
        "patient_id": event.patient_id,
        "sequence": event.sequence,
        "data": event.data,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def disabled_object(endpoint: Endpoint) -> dict:
    """`data.object` of `webhook_endpoint.disabled`: the endpoint, and why."""
    return {**EndpointBody(endpoint).data, "disabled_reason": endpoint.disabled_reason}


def test_object(endpoint: Endpoint) -> dict:
    """`data.object` of `webhook_endpoint.test`: the endpoint itself."""
    return dict(EndpointBody(endpoint).data)


def without_person(data: dict) -> dict:
    """What is left of an event's data once its patient is erased."""
    kept = {name: value for name, value in data.get("object", {}).items() if name in IMPERSONAL}
    return {"object": {**kept, "erased": True}}
