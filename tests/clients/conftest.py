"""A client of each kind against a server that speaks real HTTP and says what a test tells it to."""

from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections

from connect_health import AsyncConnect, Connect, _transports
from tests.factories import make_key

KEY = "mb_sk_sbx_test"


@pytest.fixture
def base_url(httpserver):
    return httpserver.url_for("").rstrip("/")


@pytest.fixture
def connect(base_url, waits):
    with Connect(KEY, base_url) as client:
        yield client


@pytest.fixture
def waits(monkeypatch):
    """The seconds that clients waited between tries; nobody really waits."""
    waited: list[float] = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(_transports.time, "sleep", waited.append)
    monkeypatch.setattr(_transports.anyio, "sleep", sleep)
    return waited


def run_aside(story):
    """The result of an asynchronous story, in a thread of its own: this one may have a browser's loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, story).result()


@pytest.fixture
def in_async(base_url, waits):
    """Runs `async def story(connect)` with an AsyncConnect."""

    def run(story):
        async def whole():
            async with AsyncConnect(KEY, base_url) as client:
                return await story(client)

        return run_aside(whole)

    return run


@pytest.fixture
def connect_itself(organization):
    """A client of this very Connect, inside the test's transaction: what is called is its WSGI application."""
    http = httpx.Client(transport=httpx.WSGITransport(app=get_wsgi_application()))
    for signal in (request_started, request_finished):  # as Django's test client: the transaction outlives a request
        signal.disconnect(close_old_connections)
    with Connect(make_key(organization), "http://testserver", http=http) as client:
        yield client
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
