"""The `webhooks` section is true: every event that the product writes is what the document says."""

import json

import pytest

from connect.docs import event_examples, examples
from patientflows.models import PatientFlow
from patientflows.payloads import emit_flow_event
from portals.models import Connection
from portals.payloads import emit_connection_event
from pulls.exports.models import Export
from pulls.exports.payloads import emit_export
from pulls.models import Pull
from pulls.payloads import emit_completed, emit_failed
from tests.api.reading import faults
from tests.factories import make_endpoint
from webhooks import event_types, outbox, payloads, sequence
from webhooks.models import Endpoint, Event

pytestmark = pytest.mark.django_db


def emit_everything(tenant) -> None:
    """One event of each type, written by whoever writes it in the product."""
    flow = PatientFlow.objects.get(pk=examples.FLOW_ID)
    emit_flow_event("patient_flow.expired", flow)
    flow.complete()
    emit_flow_event("patient_flow.completed", flow)
    connection = Connection.objects.get(pk=examples.CONNECTION_ID)
    emit_connection_event("connection.active", connection, reconnected=False)
    for event_type in ("expiring", "expired", "disconnected", "token_refresh_failed"):
        emit_connection_event(f"connection.{event_type}", connection)
    pull = Pull.objects.get(pk=examples.PULL_ID)
    emit_completed(pull)
    emit_failed(pull, "portal_unreachable")
    export = Export.objects.get(pk=examples.EXPORT_ID)
    emit_export("export.completed", export)
    emit_export("export.failed", export)
    endpoint = make_endpoint(tenant, "https://example.org/")
    endpoint.disable(reason="attempts_exhausted")
    for event_type, subject in (
        (event_types.WEBHOOK_ENDPOINT_DISABLED, payloads.disabled_object(endpoint)),
        (event_types.WEBHOOK_ENDPOINT_TEST, payloads.test_object(endpoint)),
    ):
        outbox.write_events(tenant=tenant, type=event_type, object=subject)


def test_every_event_is_what_the_document_says(world, tenant, document):
    Event.objects.all().delete()
    emit_everything(tenant)
    while sequence.number_new_events():
        pass
    bodies = {
        event.type: json.loads(payloads.body_of(event))
        for event in Endpoint.objects.get(pk=examples.ENDPOINT_ID).event_rows.all()
    }
    assert set(bodies) == set(event_types.KNOWN)
    for event_type, body in bodies.items():
        schema = document["webhooks"][event_type]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert faults(document, schema, body) == [], event_type
        example = event_examples.EVENTS[event_type]
        assert set(body["data"]["object"]) == set(example["data"]["object"]), event_type
        assert set(body) == set(example)
