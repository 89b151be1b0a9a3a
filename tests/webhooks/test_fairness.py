"""One endpoint's trouble is its own (contract 6.2): bursts, dead endpoints and slow ones never delay another's event."""

import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from connect import outbound
from tests.factories import make_endpoint
from tests.webhooks.receivers import closed_port_url, raw_server
from webhooks import lanes, outbox
from webhooks.deliver import drain
from webhooks.models import Event

pytestmark = pytest.mark.django_db
SOON = 1.5  # seconds, on a machine that runs other tests beside


@pytest.fixture
def backlog():
    """Many events for one endpoint, at once."""

    def backlog(endpoint, count: int) -> None:
        events = [outbox.new_event(endpoint, type="patient_flow.completed", object={"n": n}) for n in range(count)]
        Event.objects.bulk_create(events, batch_size=1000)

    return backlog


@pytest.fixture
def quick(tenant, receiver):
    """The endpoint that must not be delayed; its receiver answers other paths as they deserve."""
    return make_endpoint(tenant, receiver.url, events=["records.sync.completed"])


def seconds_until_it_hears(quick, receiver, *, round_seconds: float) -> float:
    """How long the quick endpoint's one event takes from its commit to its receiver, in a round of the worker."""
    event = outbox.new_event(quick, type="records.sync.completed", object={"id": "x"})
    event.save(force_insert=True)
    started = time.monotonic()
    drain(hot_seconds=0, round_seconds=round_seconds)
    return next(r.at for r in receiver.received if r.headers["webhook-id"] == event.pk) - started


def test_a_burst_of_ten_thousand_does_not_delay_anothers_first(tenant, receiver, quick, backlog):
    busy = make_endpoint(tenant, receiver.url.replace("/hook", "/busy"), events=["patient_flow.completed"])
    backlog(busy, 10_000)
    assert seconds_until_it_hears(quick, receiver, round_seconds=SOON) < SOON
    assert busy.event_rows.filter(status="pending").count() > 1000, "the burst was still going on"


def test_a_dead_endpoints_backlog_does_not_delay_anothers(tenant, receiver, quick, backlog):
    dead = make_endpoint(tenant, closed_port_url(), events=["patient_flow.completed"])
    backlog(dead, 3000)
    drain(hot_seconds=0, round_seconds=0.2)
    assert seconds_until_it_hears(quick, receiver, round_seconds=SOON) < SOON
    assert dead.event_rows.filter(attempts=0).count() > 2000, "it is not tried thousands of times a second"


def test_many_silent_endpoints_do_not_delay_anothers(tenant, receiver, quick, backlog, monkeypatch):
    """Each of them holds a thread until the time-out at every attempt (two seconds here, so that the test is short)."""
    monkeypatch.setattr(lanes, "HEALTHY_AHEAD", 0)
    monkeypatch.setattr(outbound, "WEBHOOK", replace(outbound.WEBHOOK, read_seconds=2, total_seconds=2))
    with ExitStack() as servers:
        for _ in range(12):
            url = servers.enter_context(raw_server(lambda connection: time.sleep(3)))
            backlog(make_endpoint(tenant, url, events=["patient_flow.completed"]), 5)
        drain(hot_seconds=0, round_seconds=0.1)
        assert not quick.event_rows.exists()
        assert seconds_until_it_hears(quick, receiver, round_seconds=0.5) < SOON


def test_many_endpoints_that_answer_late_do_not_delay_anothers(tenant, receiver, quick, backlog, monkeypatch):
    monkeypatch.setattr(lanes, "HEALTHY_AHEAD", 0)
    receiver.answer = lambda received: (time.sleep(1.2 if received.path == "/late" else 0), 200)[1]
    for _ in range(8):
        late = make_endpoint(tenant, receiver.url.replace("/hook", "/late"), events=["patient_flow.completed"])
        backlog(late, 6)
    drain(hot_seconds=0, round_seconds=0.1)
    assert seconds_until_it_hears(quick, receiver, round_seconds=0.5) < SOON


def test_endpoints_of_one_burst_each_are_served_in_turn(tenant, receiver, backlog):
    endpoints = [make_endpoint(tenant, f"{receiver.url}/{n}", events=["patient_flow.completed"]) for n in range(60)]
    for endpoint in endpoints:
        backlog(endpoint, 10)
    drain(hot_seconds=0)
    firsts = {}
    for place, received in enumerate(receiver.received):
        firsts.setdefault(received.path, place)
    assert len(receiver.received) == 600
    assert len(firsts) == 60
    assert max(firsts.values()) < 450, "nobody waits until the others are done"


def test_at_the_end_of_a_workers_round_quick_endpoints_are_served_while_slow_ones_are_waited_for(
    tenant, receiver, quick, backlog, monkeypatch
):
    monkeypatch.setattr(outbound, "WEBHOOK", replace(outbound.WEBHOOK, read_seconds=3, total_seconds=3))
    with raw_server(lambda connection: time.sleep(4)) as url:
        silent = make_endpoint(tenant, url, events=["patient_flow.completed"])
        silent.note_outcome(ok=False, now=silent.created_at)
        backlog(silent, 2)
        late = outbox.new_event(quick, type="records.sync.completed", object={"id": "x"})
        late.next_attempt_at += timedelta(seconds=1)
        late.save(force_insert=True)
        started = time.monotonic()
        drain(hot_seconds=0, round_seconds=0.3)
    [heard] = [received for received in receiver.received if received.path == "/hook"]
    assert heard.at - started < 2.5
