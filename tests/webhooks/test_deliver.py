"""The delivery worker, seen from a receiver."""

import time

import pytest

from tests.factories import make_endpoint
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db


def test_it_posts_an_event_and_marks_it_delivered(endpoint, receiver, happen, deliver):
    event = happen(status="complete")
    deliver()
    [received] = receiver.received
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["webhook-id"] == event.id
    event.refresh_from_db()
    assert (event.status, event.attempts, event.last_status_code) == ("delivered", 1, 200)
    assert event.delivered_at is not None
    assert event.next_attempt_at is None


def test_the_body_has_the_contracts_keys(endpoint, receiver, happen, deliver):
    event = happen(status="complete")
    deliver()
    assert receiver.events == [
        {
            "id": event.id,
            "object": "event",
            "type": "patient_flow.completed",
            "api_version": "2026-04-25",
            "created_at": event.created_at.strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{event.created_at.microsecond // 1000:03d}Z",
            "patient_id": "p-1",
            "sequence": 1,
            "data": {"object": {"id": "pf_1", "status": "complete"}},
        }
    ]


def test_each_attempt_leaves_a_row(endpoint, receiver, happen, deliver):
    receiver.answer = lambda received: (200, b"thank you")
    event = happen()
    deliver()
    delivery = Delivery.objects.get(event=event)
    assert (delivery.number, delivery.trigger, delivery.status_code, delivery.error) == (1, "event", 200, "")
    event.refresh_from_db()
    assert event.last_response_body == "thank you"


def test_connections_are_kept_for_many_events(endpoint, receiver, happen, deliver):
    for _ in range(60):
        happen()
    deliver()
    assert len(receiver.received) == 60
    assert receiver.connections <= 12


def test_every_event_of_a_burst_is_sent_once(endpoint, receiver, happen, deliver):
    sent = {happen(n=n).id for n in range(300)}
    deliver()
    assert sorted(event["id"] for event in receiver.events) == sorted(sent)
    assert sorted(event["sequence"] for event in receiver.events) == list(range(1, 301))


def test_an_endpoint_only_hears_what_it_listens_to(tenant, receiver, happen, deliver):
    make_endpoint(tenant, receiver.url, events=["records.sync.completed"])
    happen("patient_flow.completed")
    happen("records.sync.completed")
    deliver()
    assert [event["type"] for event in receiver.events] == ["records.sync.completed"]


def test_a_slow_endpoint_does_not_delay_anothers_event(tenant, endpoint, receiver, happen, deliver):
    receiver.answer = lambda received: (time.sleep(1.0 if received.path == "/slow" else 0), 200)[1]
    make_endpoint(tenant, receiver.url.replace("/hook", "/slow"))
    started = time.monotonic()
    for _ in range(5):
        happen()
    deliver()
    waits = [received.at - started for received in receiver.received if received.path == "/hook"]
    assert len(waits) == 5
    assert max(waits) < 0.8


def test_a_workers_lease_keeps_other_workers_away_until_it_runs_out(endpoint, receiver, happen, deliver, time_machine):
    event = happen()
    deliver()
    Event.objects.filter(pk=event.pk).queue(trigger="redeliver", now=event.created_at)
    assert Event.objects.filter(pk=event.pk).due(event.created_at).exists()
