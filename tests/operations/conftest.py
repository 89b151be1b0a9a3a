"""Two organisations with something of everything, and staff of each role."""

import pytest

from tests.operations.world import make_staff, make_world, signed_in


@pytest.fixture
def world(db):
    return make_world()


@pytest.fixture
def other_world(db):
    return make_world("Other", patient_id="other-1")


@pytest.fixture
def administrator(db):
    """Of the whole installation."""
    return signed_in(make_staff("administrator", everywhere=True))


@pytest.fixture
def operator(db):
    return signed_in(make_staff("operator", everywhere=True))


@pytest.fixture
def viewer(db):
    return signed_in(make_staff("viewer", everywhere=True))
