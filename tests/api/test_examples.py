"""Every example of the document works, and is true: what is sent is taken, what is answered looks like that."""

import json
from urllib.parse import quote

import pytest

from connect.docs import examples
from connect.docs.event_examples import EVENTS
from connect.docs.events import SUBJECTS
from connect.docs.examples import ANSWERS, REQUESTS
from connect.openapi.components import PATH_PARAMETERS
from tests.api.reading import answer_schema, faults, operations, resolved
from webhooks.event_types import KNOWN

pytestmark = pytest.mark.django_db
NDJSON = "export_records"


def path_of(operation: dict) -> str:
    path = operation["path"]
    for parameter in operation["parameters"]:
        if parameter.get("in") == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(PATH_PARAMETERS[parameter["name"]][1], safe=""))
    return path


def send(client, operation: dict):
    body = REQUESTS.get(operation["operationId"])
    if operation["method"] in ("get", "delete"):
        return client.generic(operation["method"].upper(), path_of(operation))
    return client.generic(
        operation["method"].upper(), path_of(operation), json.dumps(body or {}), content_type="application/json"
    )


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_example_is_answered_as_the_document_says(world, document, name):
    operation = next(found for found in operations(document).values() if found["operationId"] == name)
    answer = send(world, operation)
    assert answer.status_code == 200, answer.content
    if name == NDJSON:
        assert answer.headers["Content-Type"] == "application/fhir+ndjson"
        return
    assert faults(document, answer_schema(operation), answer.json()) == []
    assert shape(answer.json()) == shape(ANSWERS[name]), "the example has other fields than the answer"


def shape(value, depth=0):
    """Field names, to the first object of each list; below `data`, `settings` and FHIR resources anything may stand."""
    if isinstance(value, list):
        return [shape(value[0], depth)] if value and isinstance(value[0], dict) else []
    if not isinstance(value, dict):
        return None
    free = ("metadata", "resource", "object", "reasons", "resources_gone", "progress", "settings")
    return {key: None if key in free else shape(inner, depth + 1) for key, inner in value.items()}


def test_every_operation_has_an_example(document):
    found = operations(document).values()
    assert sorted(operation["operationId"] for operation in found) == sorted(ANSWERS)
    assert sorted(o["operationId"] for o in found if o.get("requestBody")) == sorted(REQUESTS)


def test_every_example_is_allowed_by_its_schema(document):
    for operation in operations(document).values():
        for status, response in operation["responses"].items():
            for content in response["content"].values():
                for value in values_of(document, content):
                    assert faults(document, content["schema"], value) == [], (operation["operationId"], status)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert faults(document, content["schema"], content["example"]) == [], operation["operationId"]


def values_of(document, content: dict) -> list:
    named = [resolved(document, example)["value"] for example in content.get("examples", {}).values()]
    return named + ([content["example"]] if "example" in content else [])


def test_every_event_is_described_with_an_example_that_its_schema_allows(document):
    assert set(document["webhooks"]) == set(KNOWN) == set(SUBJECTS) == set(EVENTS)
    for event_type, item in document["webhooks"].items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        assert faults(document, content["schema"], content["example"]) == [], event_type


def test_ids_in_examples_look_like_ids():
    for name in ("FLOW_ID", "CONNECTION_ID", "PULL_ID", "ENDPOINT_ID", "EVENT_ID", "EXPORT_ID", "DESTINATION_ID"):
        assert len(getattr(examples, name).partition("_")[2]) == 26, name
