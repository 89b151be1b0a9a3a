"""The document against the code, by machine: whatever fits the document, or just does not, no answer is a surprise.

Schemathesis makes up requests from the document, sends them, and compares the answers with it: no 5xx, no status, body,
header or content type that is not documented; what the document forbids is refused, what it allows is not.
"""

import json
import os

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from connect.docs.views import openapi_file
from connect.wsgi import application

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "4"))  # an operation; hundreds, to look hard once
config = SchemathesisConfig.from_dict({"generation": {"mode": "all", "allow-x00": False, "max-examples": EXAMPLES}})
schema = schemathesis.openapi.from_dict(json.loads(openapi_file("http://testserver")), config=config)
schema.app = application


@pytest.fixture(autouse=True)
def one_connection():
    """Requests come through WSGI here, and must not close the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


# What a JSON Schema cannot say: cursors are signed, URLs are judged by where they lead, times must have passed, two
# fields must agree. Elsewhere, whatever the document allows must be taken.
BEYOND_SCHEMA = {
    "starting_after", "ending_before", "url", "return_url", "since", "settings", "credentials", "after_sequence",
    "replace_patient",
}  # fmt: skip


def left_out(case) -> list:
    """Checks that would judge what the document does not say. Query parameters it does not name are not looked at."""
    body = case.body if isinstance(case.body, dict) else {}
    query = set(case.query or {})
    names = {case.operation.definition.raw["operationId"], *body, *query}
    known = {parameter.name for parameter in case.operation.query}
    return [positive_data_acceptance] * bool(names & BEYOND_SCHEMA) + [negative_data_rejection] * bool(query - known)


@schema.parametrize()
@settings(
    deadline=None, derandomize=True, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None
)
def test_no_answer_is_a_surprise(case, world):
    case.call_and_validate(
        headers={"Authorization": world.defaults["HTTP_AUTHORIZATION"]},
        excluded_checks=left_out(case),
    )
