"""The Python client against Connect itself: in one process, and over real HTTP."""

import secrets
from datetime import UTC, datetime

import pytest

from connect.organizations.models import Environment, Patient
from connect_health import AsyncConnect, Conflict, InvalidRequest, NotFound
from patientflows.models import PatientFlow
from portals.models import Source
from tests.clients.conftest import run_aside
from tests.factories import make_key, make_organization
from webhooks.sequence import number_new_events

BACK = "https://app.test/back"


@pytest.fixture
def source(db):
    return Source.objects.create(
        id="fhirsrc_1", environment=Environment.SANDBOX, fhir_base_url="http://portal.test/fhir", name="Portal"
    )


@pytest.fixture
def endpoint(connect_itself, settings):
    settings.OUTBOUND_ALLOW_PRIVATE = True
    return connect_itself.webhooks.create(url="https://127.0.0.1:9/hooks", metadata={"mine": 1})


def test_a_patient_lives_from_creation_to_erasure(connect_itself):
    made = connect_itself.patients.create(patient_id="a/1", email="a@b.test", metadata={"plan": "x"})
    assert connect_itself.patients.retrieve("a/1").connections == []
    assert connect_itself.patients.replace("a/1", name="Ann").email is None
    assert (made.email, connect_itself.patients.retrieve("a/1").name) == ("a@b.test", "Ann")
    assert connect_itself.patients.delete("a/1").deleted
    with pytest.raises(NotFound):
        connect_itself.patients.retrieve("a/1")


def test_errors_name_the_field_and_a_page_that_exists(connect_itself, client):
    connect_itself.patients.create(patient_id="p-1")
    with pytest.raises(Conflict) as twice:
        connect_itself.patients.create(patient_id="p-1")
    assert twice.value.code == "external_id_already_exists"
    with pytest.raises(InvalidRequest) as wrong:
        connect_itself.patient_flows.create(patient_id="p-1", return_url=BACK, expires_in=1)
    assert wrong.value.param == "expires_in"
    assert client.get(wrong.value.doc_url).status_code == 200


def test_lists_of_more_than_a_page_are_whole(connect_itself):
    for number in range(5):
        connect_itself.patients.create(patient_id=f"p-{number}")
    assert [patient.id for patient in connect_itself.patients.list(limit=2)] == ["p-4", "p-3", "p-2", "p-1", "p-0"]


def test_a_post_repeated_under_one_key_is_one_flow(connect_itself):
    key = secrets.token_hex(8)
    made = [
        connect_itself.patient_flows.create(patient_id="p-1", return_url=BACK, idempotency_key=key).id for _ in range(2)
    ]  # fmt: skip
    assert len(set(made)) == PatientFlow.objects.count() == 1


def test_a_flow_is_made_listed_told_of_and_expired(connect_itself, source):
    flow = connect_itself.patient_flows.create(
        patient_id="p-1", return_url=BACK, connection_id=source.pk, metadata={"a": 1}
    )
    assert (flow.status, flow.connection_id, flow.metadata) == ("open", "fhirsrc_1", {"a": 1})
    assert flow.url.startswith("http")
    assert [each.id for each in connect_itself.patients.list_patient_flows("p-1", status="open")] == [flow.id]
    assert connect_itself.patient_flows.expire(flow.id).status == "expired"
    assert connect_itself.patient_flows.timeline(flow.id).patient_flow_id == flow.id
    assert [each.id for each in connect_itself.patient_flows.list(status="expired")] == [flow.id]


def test_the_catalogue_is_found_by_id_and_by_url(connect_itself, source):
    assert [each.name for each in connect_itself.connections.list()] == ["Portal"]
    assert (
        connect_itself.connections.retrieve("http://portal.test/fhir").id
        == connect_itself.connections.retrieve("fhirsrc_1").id
    )


def test_an_endpoint_is_changed_rotated_and_deleted(connect_itself, endpoint):
    assert connect_itself.webhooks.retrieve(endpoint.id).secret is None
    assert connect_itself.webhooks.update(endpoint.id, events=["connection.active"]).metadata == {"mine": 1}
    assert connect_itself.webhooks.rotate_secret(endpoint.id, overlap_seconds=60).secret not in (None, endpoint.secret)
    assert connect_itself.webhooks.test(endpoint.id).type == "webhook_endpoint.test"
    assert connect_itself.webhooks.recover(endpoint.id, since=datetime(2026, 1, 1, tzinfo=UTC)).queued >= 0
    assert connect_itself.sandbox.advance_webhook(endpoint.id, seconds=60).id == endpoint.id
    assert connect_itself.webhooks.delete(endpoint.id).deleted
    assert list(connect_itself.webhooks.list()) == []


def test_a_gap_in_events_is_filled_in_order(connect_itself, endpoint):
    for number in range(3):
        flow = connect_itself.patient_flows.create(patient_id=f"p-{number}", return_url=BACK)
        connect_itself.patient_flows.expire(flow.id)
    number_new_events()
    gap = list(connect_itself.events.list(webhook_id=endpoint.id, after_sequence=1, limit=1))
    assert [(event.sequence, event.patient_id) for event in gap] == [(2, "p-1"), (3, "p-2")]
    assert connect_itself.events.retrieve(gap[0].id).data["object"]["status"] == "expired"


def test_records_of_a_patient_without_any_are_an_empty_stream(connect_itself):
    connect_itself.patients.create(patient_id="p-1")
    assert list(connect_itself.records.export("p-1")) == []
    assert list(connect_itself.records.list("p-1")) == []
    assert connect_itself.records.completeness("p-1")["connections"] == []
    assert list(connect_itself.pulls.list(patient_id="p-1")) == []


def test_the_asynchronous_client_does_the_same(live_server):
    key = make_key(make_organization())

    async def story():
        async with AsyncConnect(key, live_server.url) as connect:
            await connect.patients.create(patient_id="p-1")
            with pytest.raises(Conflict):
                await connect.patients.create(patient_id="p-1")
            return [patient.id async for patient in connect.patients.list()]

    assert run_aside(story) == ["p-1"]
    assert Patient.objects.count() == 1
