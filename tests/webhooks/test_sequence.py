"""Numbers without gaps (contract 6.1), and a receiver that rebuilds everything from a network that loses, delays and
reorders."""

import json
import random
import threading

import pytest
from django.db import connection

from tests.factories import make_endpoint
from webhooks import outbox, payloads, sequence
from webhooks.models import Event

pytestmark = pytest.mark.django_db
EVENTS = 10_000
THINGS = 400


def number_all() -> None:
    while sequence.number_new_events():
        pass


def test_numbers_have_no_gap_and_never_change(endpoint, happen):
    for n in range(250):
        happen(n=n)
    number_all()
    first = dict(Event.objects.values_list("pk", "sequence"))
    assert sorted(first.values()) == list(range(1, 251))
    for n in range(30):
        happen(n=n)
    number_all()
    assert first.items() <= dict(Event.objects.values_list("pk", "sequence")).items()
    assert sorted(Event.objects.values_list("sequence", flat=True)) == list(range(1, 281))


def test_each_endpoint_counts_for_itself_and_events_that_are_held_count_too(api, tenant, endpoint, receiver, happen):
    other = make_endpoint(tenant, receiver.url, events=["records.sync.failed"])
    api.change(f"/webhooks/{other.pk}", {"status": "disabled"})
    happen("patient_flow.completed")
    happen("records.sync.failed")
    number_all()
    assert sorted(endpoint.event_rows.values_list("sequence", flat=True)) == [1, 2]
    assert list(other.event_rows.values_list("sequence", "status")) == [(1, "held")]


def test_nothing_is_sent_without_its_number(endpoint, receiver, happen, deliver):
    for n in range(120):
        happen(n=n)
    deliver()
    assert sorted(event["sequence"] for event in receiver.events) == list(range(1, 121))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_workers_that_number_at_once_give_no_number_twice_and_leave_none_out(endpoint, happen):
    for n in range(400):
        happen(n=n)

    def work():
        try:
            number_all()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    number_all()
    assert sorted(Event.objects.values_list("sequence", flat=True)) == list(range(1, 401))


class StrictReceiver:
    """What docs/guides/webhooks.md tells a receiver to do: apply in order of `sequence`, fill gaps from the API."""

    def __init__(self, api, endpoint_id: str):
        self.api, self.endpoint_id = api, endpoint_id
        self.state: dict[str, int] = {}
        self.applied = 0
        self.early: dict[int, dict] = {}
        self.calls = 0

    def take(self, event: dict) -> None:
        if event["sequence"] > self.applied:
            self.early[event["sequence"]] = event["data"]["object"]
        self._apply()
        if len(self.early) >= 200:
            self.fill_gap()

    def fill_gap(self) -> None:
        page = self._page()
        for event in page["data"]:
            self.early[event["sequence"]] = event["data"]["object"]
        self._apply()

    def catch_up(self) -> None:
        while self._page()["data"]:
            self.fill_gap()

    def _page(self) -> dict:
        self.calls += 1
        query = {"webhook_id": self.endpoint_id, "after_sequence": self.applied, "limit": 100}
        return self.api.get("/events", query).json()

    def _apply(self) -> None:
        while change := self.early.pop(self.applied + 1, None):
            self.state[change["id"]] = change["value"]
            self.applied += 1


def test_ten_thousand_events_lost_delayed_and_reordered_are_rebuilt_exactly(api, endpoint, settings):
    settings.API_RATE_LIMIT_PER_MINUTE = 100_000
    dice = random.Random(7)
    truth: dict[str, int] = {}
    events = []
    for n in range(EVENTS):
        thing = f"conn_{dice.randrange(THINGS)}"
        events.append(outbox.new_event(endpoint, type="connection.active", object={"id": thing, "value": n}))
        truth[thing] = n
    Event.objects.bulk_create(events, batch_size=500)
    number_all()
    bodies = [payloads.body_of(event) for event in endpoint.event_rows.order_by("sequence").iterator()]

    receiver = StrictReceiver(api, endpoint.pk)
    for body in carry_badly(bodies, dice):
        receiver.take(json.loads(body))
    receiver.catch_up()

    assert receiver.applied == EVENTS
    assert receiver.state == truth
    assert receiver.calls < 400, "gaps are filled a page at a time"


def carry_badly(bodies: list[bytes], dice: random.Random) -> list[bytes]:
    """One in fifty is lost, one in ten comes twice, and each comes up to a thousand places late."""
    carried = [body for body in bodies if dice.random() > 0.02]
    carried += [body for body in carried if dice.random() < 0.1]
    late = [
        (place + dice.random() * (1000 if dice.random() < 0.05 else 20), body) for place, body in enumerate(carried)
    ]
    return [body for _, body in sorted(late, key=lambda pair: pair[0])]


def test_a_gap_is_filled_page_by_page(api, endpoint, happen):
    for n in range(25):
        happen(n=n)
    number_all()
    query = {"webhook_id": endpoint.pk, "after_sequence": 5, "limit": 8}
    seen, cursor = [], None
    for _ in range(3):
        page = api.get("/events", query | ({"starting_after": cursor} if cursor else {})).json()
        seen += [event["sequence"] for event in page["data"]]
        cursor = page["next_cursor"]
    assert seen == list(range(6, 26))
    assert cursor is None
