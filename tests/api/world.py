"""An organisation in which the document's examples are true: one of everything, under the ids the examples name."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connect.crypto import token_hash
from connect.docs import examples
from connect.organizations.models import Patient
from patientflows.models import PatientFlow, Step
from portals.models import Connection, Registration, Source
from pulls.exports.models import Destination, Export
from pulls.manifest import canonical, sha256
from pulls.models import Pull, Record, RecordHead, Search
from pulls.records import data_key, seal_body
from tests.factories import ApiClient, make_key
from webhooks.models import Delivery, Endpoint, Event

RESOURCE = b'{"resourceType":"Patient","id":"p1","name":[{"family":"Rivera"}]}'


def build(organization) -> None:
    """Make the examples' world in the organisation's sandbox."""
    tenant = {"organization": organization, "environment": "sandbox"}
    patient = Patient.objects.create(
        **tenant, patient_id=examples.PATIENT_ID, email="ann@example.org", name="Ann Rivera", metadata={"plan": "gold"}
    )
    source = _source()
    connection = _connection(tenant, patient, source)
    _flow(tenant, patient, source)
    _pull(tenant, patient, connection)
    _events(tenant)
    destination = Destination.objects.create(
        **tenant, id=examples.DESTINATION_ID, name="Warehouse", kind="folder", settings={"folder": "warehouse"}
    )
    Export.objects.create(
        **tenant, id=examples.EXPORT_ID, destination=destination, status="completed", trigger="pull",
        manifest_sha256="0" * 64, started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip


def _source() -> Source:
    told = examples.SOURCE
    names = ("id", "name", "fhir_base_url", "logo_url", "portal_url", "brand", "aliases", "locations", "status")
    return Source.objects.create(environment="sandbox", vendor=told["type"], **{name: told[name] for name in names})


def _connection(tenant, patient, source) -> Connection:
    registration = Registration.objects.create(environment="sandbox", source=source, client_id="c")
    return Connection.objects.create(
        **tenant, id=examples.CONNECTION_ID, patient=patient, source=source, registration=registration,
        patient_flow_id=examples.FLOW_ID, fhir_patient_id="p1", scopes=examples.SCOPES, renewable=True,
        last_pulled_at=timezone.now(),
    )  # fmt: skip


def _flow(tenant, patient, source) -> None:
    flow = PatientFlow(
        **tenant, id=examples.FLOW_ID, patient=patient, recommended=[source.pk], token_hash=token_hash("t"),
        return_url="https://app.example.com/records?step=2", return_button_label="Trials",
        expires_at=timezone.now() + timedelta(minutes=30),
    )  # fmt: skip
    flow.token = "t"
    flow.save()
    for kind in ("link_opened", "connected"):
        Step.objects.create(flow=flow, kind=kind, source_id=source.pk)


def _pull(tenant, patient, connection) -> None:
    manifest = canonical(examples.MANIFEST)
    pull = Pull(
        **tenant, id=examples.PULL_ID, connection=connection, patient=patient, status="partial", trigger="connected",
        total=1, errors=1, manifest_sha256=sha256(manifest), started_at=timezone.now(), finished_at=timezone.now(),
    )  # fmt: skip
    pull.manifest = manifest
    pull.save()
    for order, (resource_type, status) in enumerate((("Patient", "done"), ("Observation", "failed"))):
        Search.objects.create(pull=pull, resource_type=resource_type, order=order, status=status)
    RecordHead.objects.create(patient=patient, position=1)
    named = {"resource_type": "Patient", "resource_id": "p1"}
    body = seal_body(data_key(patient), RESOURCE, connection_id=connection.pk, **named)
    Record.objects.create(
        patient=patient, connection=connection, source_id=connection.source_id, position=1, digest=b"0" * 32, body=body,
        pull_id=pull.pk, **named,
    )  # fmt: skip


def _events(tenant) -> None:
    endpoint = Endpoint(**tenant, id=examples.ENDPOINT_ID, url=examples.ENDPOINT["url"], events=["*"])
    endpoint.secret = examples.NEW_SECRET["secret"]
    endpoint.last_sequence = 41
    endpoint.save()
    event = Event.objects.create(
        **tenant, id=examples.EVENT_ID, endpoint=endpoint, type="patient_flow.completed", sequence=41,
        patient_id=examples.PATIENT_ID, data={"object": examples.COMPLETED_FLOW}, api_version="2026-04-25",
        status="delivered", attempts=1, delivered_at=timezone.now(), next_attempt_at=None, last_status_code=200,
        last_response_body="ok",
    )  # fmt: skip
    Delivery.objects.create(event=event, number=1, status_code=200)


@pytest.fixture
def world(organization, settings, tmp_path):
    """A client in the examples' world."""
    settings.DATA_DIR = tmp_path
    settings.API_RATE_LIMIT_PER_MINUTE = 1_000_000
    build(organization)
    return ApiClient(make_key(organization))
