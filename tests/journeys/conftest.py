"""One running stack for all journeys of an engine, a real browser, and an integrator that listens."""

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from tests import services
from tests.journeys.receiver import Receiver
from tests.journeys.stack import Stack

# The demo is the embedded stack: on the other engine its tests would only be the same ones again.
collect_ignore = ["test_demo.py"] if os.environ.get("DATABASE_URL") else []


def pytest_collection_modifyitems(items):
    """Journeys take as long as whole stories do."""
    for item in items:
        if "tests/journeys/" in str(item.path):
            item.add_marker(pytest.mark.journey)
            item.add_marker(pytest.mark.timeout(420))


@contextlib.contextmanager
def engine_of_its_own(redis_number: int):
    """Settings of the engine this run is about; on PostgreSQL a database of its own, gone afterwards."""
    if not os.environ.get("DATABASE_URL"):
        yield {}
        return
    name = f"connect_journey_{secrets.token_hex(4)}"
    server = services.POSTGRES_URL.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as database:
        database.execute(f'CREATE DATABASE "{name}"')
    redis_url = services.REDIS_URL.rpartition("/")[0] + f"/{redis_number}"
    redis.Redis.from_url(redis_url).flushdb()
    yield {"database_url": f"{server}/{name}", "redis_url": redis_url}
    with psycopg.connect(f"{server}/postgres", autocommit=True) as database:
        database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def engine():
    """The engine that all journeys share."""
    with engine_of_its_own(14) as settings:
        yield settings


@pytest.fixture(scope="session")
def stack(engine):
    folder = Path(tempfile.mkdtemp(prefix="connect-journey-"))
    running = Stack(folder, **engine)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def receiver(stack):
    """An endpoint that wants every event, with its secret."""
    listening = Receiver()
    endpoint = stack.call("POST", "/webhooks", {"url": listening.url, "events": ["*"]})
    listening.secret = endpoint["secret"]
    yield listening
    stack.call("DELETE", f"/webhooks/{endpoint['id']}")
    listening.close()


@pytest.fixture
def page(chromium):
    """A tab of a browser that has been nowhere, in English, on a laptop's screen."""
    context = chromium.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def patient_id() -> str:
    return f"volunteer-{secrets.token_hex(4)}"
