"""A client of each kind against a server that speaks real HTTP and says what a test tells it to."""

import functools

import anyio
import pytest

from connect_health import AsyncConnect, Connect, _transports

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


@pytest.fixture
def in_async(base_url, waits):
    """Runs `async def story(connect)` with an AsyncConnect."""

    def run(story):
        async def whole():
            async with AsyncConnect(KEY, base_url) as client:
                return await story(client)

        return anyio.run(functools.partial(whole))

    return run
