"""The outbox: events are rows, written in the transaction of the change they tell of (DESIGN law 2)."""

from webhooks.models import Endpoint, Event, Trigger


def write_events(
    *, tenant, type: str, object: dict, patient_id: str | None = None, besides: Endpoint | None = None
) -> list[Event]:
    """One event for every endpoint of the tenant that wants this type, `besides` excepted.

    A disabled endpoint's events are held: `recover` sends them one day. No row of an endpoint is locked, so
    transactions that tell the same endpoint something never wait for each other.
    """
    endpoints = Endpoint.objects.of(tenant).only("id", "organization", "environment", "events", "status", "api_version")
    wanting = [endpoint for endpoint in endpoints if endpoint.wants(type) and endpoint != besides]
    return Event.objects.bulk_create(
        [new_event(endpoint, type=type, object=object, patient_id=patient_id) for endpoint in wanting]
    )


def new_event(
    endpoint: Endpoint, *, type: str, object: dict, patient_id: str | None = None, trigger: str = Trigger.EVENT
) -> Event:
    """The unsaved event for one endpoint: due now, or held while the endpoint is disabled."""
    held = {"status": Event.Status.HELD, "next_attempt_at": None}
    return Event(
        organization_id=endpoint.organization_id, environment=endpoint.environment, endpoint=endpoint, type=type,
        patient_id=patient_id, data={"object": object}, api_version=endpoint.api_version, trigger=trigger,
        **({} if endpoint.status == Endpoint.Status.ACTIVE else held),
    )  # fmt: skip
