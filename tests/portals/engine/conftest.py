"""The engine on rows: an organisation whose endpoint hears every event, and connections at a scripted portal."""

import pytest
from django.db import connection as database

from tests.factories import make_endpoint
from tests.portals.engine.world import World
from tests.portals.scripted import key_pairs, local, portal  # noqa: F401


@pytest.fixture(autouse=True)
def threads_see_the_rows(settings):
    """Threads of the engine touch no row, so a round inside a test's transaction is a true round."""
    settings.REFRESH_THREADS = 8


@pytest.fixture
def world(organization, tenant, portal):  # noqa: F811
    make_endpoint(tenant, "https://receiver.example.com/hook")
    return World(tenant, portal)


@pytest.fixture
def only_postgres():
    if database.vendor != "postgresql":
        pytest.skip("workers race on PostgreSQL; on SQLite every transaction has the database to itself")
