"""Load is shed, not queued: a full process says so at once, still answers `/health`, and recovers by itself."""

import threading
import time

import pytest
from django.http import HttpResponse

from connect.shedding import SheddingMiddleware


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def full(settings, gate, rf):
    """A process of four threads, whose two places are taken by requests that wait."""
    settings.WEB_THREADS = 4
    entered = threading.Barrier(3)

    def view(request):
        if "slow" in request.path:
            entered.wait(5)
            gate.wait(20)
        return HttpResponse("done")

    middleware = SheddingMiddleware(view)
    slow = [threading.Thread(target=middleware, args=(rf.get("/slow"),)) for _ in range(2)]
    for thread in slow:
        thread.start()
    entered.wait(5)
    yield middleware
    gate.set()
    for thread in slow:
        thread.join(5)


def test_a_client_is_told_to_come_back(full, rf):
    answer = full(rf.get("/patients"))
    assert (answer.status_code, answer["Retry-After"]) == (429, "2")
    assert b'"code": "throttled"' in answer.content


def test_a_person_gets_a_page_that_tries_again(full, rf):
    answer = full(rf.get("/c/a-link"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert b"http-equiv=refresh" in answer.content


def test_health_is_always_answered(full, rf):
    assert full(rf.get("/health")).content == b"done"


def test_once_full_nobody_waits(full, rf):
    full(rf.get("/patients"))
    began = time.monotonic()
    for _ in range(50):
        assert full(rf.get("/patients")).status_code == 429
    assert time.monotonic() - began < 2


def test_it_takes_requests_again_when_there_is_room(full, rf, gate):
    assert full(rf.get("/patients")).status_code == 429
    gate.set()
    deadline = time.monotonic() + 5
    while full(rf.get("/patients")).status_code != 200:
        assert time.monotonic() < deadline
