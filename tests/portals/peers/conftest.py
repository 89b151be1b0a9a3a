"""One patient of ours who connects to foreign portals."""

import pytest

from tests.factories import make_endpoint
from tests.packages import unavailable
from tests.portals.peers import stands
from tests.portals.scripted import key_pairs, local  # noqa: F401


@pytest.fixture(scope="session")
def home():
    try:
        return stands.installed()
    except stands.NotHere as why:
        if not stands.are_laid():
            pytest.skip(str(why))
        unavailable(str(why))


@pytest.fixture
def run(home):
    with stands.alone(home) as folder:
        yield folder


@pytest.fixture
def told(tenant):
    """An endpoint that hears every event."""
    return make_endpoint(tenant, "https://receiver.example.com/hook")
