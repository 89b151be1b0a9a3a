"""The API's document, and a world in which its examples are true."""

import json

import pytest

from connect.docs.views import openapi_file
from tests.api.world import world

__all__ = ["world"]


@pytest.fixture(scope="session")
def document() -> dict:
    """`/openapi.json`."""
    return json.loads(openapi_file("http://testserver"))
