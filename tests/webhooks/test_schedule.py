"""The schedule (contract 6.2): nine attempts over 3.6 days, then the endpoint is disabled and everybody hears of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from connect.audit.models import Entry
from tests.factories import make_endpoint
from webhooks.models import Delivery, Event
from webhooks.schedule import ATTEMPTS, DELAYS, next_delay

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WAITS = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 24 * HOUR]


def test_the_schedule_is_the_contracts():
    assert list(DELAYS[1:]) == WAITS
    assert (DELAYS[0], ATTEMPTS) == (timedelta(0), 9)
    for left in range(1, ATTEMPTS):
        waits = [next_delay(tries_left=left) for _ in range(50)]
        assert DELAYS[ATTEMPTS - left] <= min(waits)
        assert max(waits) <= DELAYS[ATTEMPTS - left] * 1.1
    assert next_delay(tries_left=0) is None


@pytest.fixture
def frozen(time_machine):
    """A clock that stands still until it is moved."""
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    return time_machine


@pytest.fixture
def live_through(frozen, deliver):
    """Deliver, and go to the event's next attempt, until it has none; returns the waits."""

    def live_through(event) -> list[timedelta]:
        waits = []
        for _ in range(20):
            deliver()
            event.refresh_from_db()
            if event.next_attempt_at is None:
                return waits
            waits.append(event.next_attempt_at - timezone.now())
            frozen.move_to(event.next_attempt_at - timedelta(seconds=1), tick=False)
            before = event.attempts
            deliver()
            event.refresh_from_db()
            assert event.attempts == before, "not a second early"
            frozen.move_to(event.next_attempt_at, tick=False)
        raise AssertionError("it never ended")

    return live_through


def test_an_event_is_tried_nine_times_over_three_and_a_half_days(endpoint, receiver, happen, live_through):
    receiver.answer = lambda received: 503
    event = happen()
    waits = live_through(event)
    assert len(waits) == 8
    assert all(base <= wait <= base * 1.1 for base, wait in zip(WAITS, waits, strict=True))
    assert timedelta(days=3.6) < sum(waits, timedelta()) < timedelta(days=4)
    assert (event.status, event.attempts, event.last_status_code) == ("exhausted", 9, 503)
    assert len({(received.headers["webhook-id"], received.body) for received in receiver.received}) == 1
    numbers = Delivery.objects.filter(event=event).order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 10))


def test_each_attempt_is_signed_at_its_own_time(endpoint, receiver, happen, live_through):
    receiver.answer = lambda received: 503
    live_through(happen())
    stamps = [int(received.headers["webhook-timestamp"]) for received in receiver.received]
    assert stamps == sorted(set(stamps))


def test_an_event_that_recovers_on_the_way_is_delivered(endpoint, receiver, happen, live_through):
    receiver.answer = lambda received: 200 if len(receiver.received) == 5 else 503
    event = happen()
    live_through(event)
    assert (event.status, event.attempts, event.tries_left) == ("delivered", 5, 4)
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.failing_since) == ("active", None)


def test_after_the_ninth_the_endpoint_is_disabled_once_and_everybody_hears(
    tenant, endpoint, receiver, happen, live_through
):
    receiver.answer = lambda received: 503 if received.path == "/hook" else 200
    other = make_endpoint(tenant, receiver.url.replace("/hook", "/other"), events=["webhook_endpoint.disabled"])
    deaf = make_endpoint(tenant, receiver.url.replace("/hook", "/deaf"), events=["records.sync.failed"])
    first, second = happen(), happen()
    live_through(first)
    live_through(second)
    endpoint.refresh_from_db()
    assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "attempts_exhausted")
    [notice] = [received.event for received in receiver.received if received.path == "/other"]
    assert notice["data"]["object"]["id"] == endpoint.pk
    assert notice["data"]["object"]["disabled_reason"] == "attempts_exhausted"
    assert "secret" not in notice["data"]["object"]
    assert Entry.objects.filter(action="webhook_endpoint.disabled", object_id=endpoint.pk).count() == 1
    assert not deaf.event_rows.exists()
    assert not endpoint.event_rows.filter(type="webhook_endpoint.disabled").exists()
    assert other.event_rows.get().status == "delivered"


def test_what_was_pending_is_held_and_what_comes_is_held_too(endpoint, receiver, happen, deliver, frozen, live_through):
    receiver.answer = lambda received: 503
    first = happen()
    frozen.shift(timedelta(days=3))
    late = happen()
    Event.objects.filter(pk=first.pk).update(tries_left=1)
    deliver()
    while_disabled = happen()
    frozen.shift(timedelta(days=30))
    count = len(receiver.received)
    deliver()
    assert len(receiver.received) == count
    statuses = dict(Event.objects.values_list("pk", "status"))
    assert statuses == {first.pk: "exhausted", late.pk: "held", while_disabled.pk: "held"}


def test_enabled_again_it_gets_new_events_and_nothing_old_until_it_recovers(
    api, endpoint, receiver, happen, deliver, frozen
):
    receiver.answer = lambda received: 503
    lost = happen()
    Event.objects.update(tries_left=1)
    deliver()
    held = happen()
    receiver.received.clear()
    receiver.answer = lambda received: 200
    assert api.change(f"/webhooks/{endpoint.pk}", {"status": "active"}).json()["status"] == "active"
    fresh = happen()
    deliver()
    assert [event["id"] for event in receiver.events] == [fresh.pk]
    answer = api.create(f"/webhooks/{endpoint.pk}/recover", {"since": "2026-05-01T10:00:00Z"}).json()
    assert answer == {
        "id": endpoint.pk, "resource_type": "webhook_recovery", "since": "2026-05-01T10:00:00.000Z", "queued": 2,
    }  # fmt: skip
    deliver()
    assert {event["id"] for event in receiver.events} == {fresh.pk, lost.pk, held.pk}
    assert sorted(event["sequence"] for event in receiver.events) == [1, 2, 3]
    assert Delivery.objects.get(event=held).trigger == "recover"
