"""The contract, operation by operation and field by field, written down by hand: what is missing here fails."""

import pytest

from connect.errors import ALL_ERRORS
from tests.api.reading import answer_schema, operations, properties, resolved

PATIENT = {"id", "resource_type", "email", "name", "metadata", "created_at"}
CONNECTION = {
    "id", "resource_type", "patient_flow_id", "connection_id", "status", "scopes", "failure_code", "failure_at", "created_at",
    "updated_at", "renewable", "scopes_missing", "access_ends_at", "last_pulled_at", "next_pull_at",
}  # fmt: skip
FLOW = {
    "id", "resource_type", "status", "url", "patient_id", "connection_id", "recommended_connection_ids", "return_url",
    "return_button_label", "connections", "expires_at", "metadata", "created_at", "completed_at",
}  # fmt: skip
FLOW_CONNECTION = {"id", "connection_id", "status", "failure_code", "failure_at", "created_at"}
SOURCE = {
    "id", "resource_type", "name", "type", "fhir_base_url", "logo_url", "portal_url", "brand", "aliases", "locations", "status",
}  # fmt: skip
PULL = {
    "id", "resource_type", "patient_id", "connection_id", "status", "trigger", "progress", "total", "errors", "started_at",
    "finished_at", "duration_ms",
}  # fmt: skip
PROGRESS = {"type", "status", "fetched", "expected", "stored", "error"}
ENDPOINT = {
    "id", "resource_type", "url", "events", "status", "description", "metadata", "api_version", "created_at", "updated_at",
}  # fmt: skip
EVENT = {
    "id", "resource_type", "webhook_endpoint_id", "type", "data", "api_version", "attempts", "next_attempt_at", "delivered_at",
    "last_status_code", "last_response_body", "last_redelivered_at", "created_at",
}  # fmt: skip
LIST = {"resource_type", "data", "has_more", "next_cursor"}
PAGE = {"limit", "starting_after"}
TOMBSTONE = {"id", "resource_type", "deleted"}
RECORDS = {"type", "since", "source", "changes"}

# operation: (its body's fields, its query's, its answer's; for a list, those of its items)
CONTRACT = {
    "GET /health": (None, set(), {"ok", "server_time"}),
    "POST /patients": ({"patient_id", "email", "name", "metadata"}, set(), PATIENT),
    "GET /patients": (None, PAGE | {"patient_id", "email"}, [PATIENT]),
    "GET /patients/{}": (None, set(), PATIENT | {"connections"}),
    "PUT /patients/{}": ({"patient_id", "email", "name", "metadata"}, set(), PATIENT),
    "DELETE /patients/{}": (None, set(), TOMBSTONE),
    "DELETE /patients/{}/connections/{}": (None, set(), {"id", "resource_type", "disconnected"}),
    "GET /patients/{}/patient-flows": (None, PAGE | {"status"}, [FLOW]),
    "GET /patients/{}/records": (
        None, RECORDS | {"count", "starting_after", "ending_before"}, [{"source", "resource", "change", "landed_at", "pull_id"}],
    ),
    "GET /patients/{}/records/$export": (None, RECORDS, None),
    "GET /patients/{}/completeness": (None, set(), {"patient_id", "connections"}),
    "POST /patients/{}/connections/{}/pull": (None, set(), PULL),
    "POST /patient-flows": (
        {
            "patient_id", "patient_email", "patient_name", "connection_id", "recommended_connection_ids", "return_url",
            "return_button_label", "expires_in", "metadata", "locale", "reconnect",
        }, set(), FLOW,
    ),
    "GET /patient-flows": (None, PAGE | {"status", "patient_id"}, [FLOW]),
    "GET /patient-flows/{}": (None, set(), FLOW),
    "POST /patient-flows/{}/expire": (None, set(), FLOW),
    "GET /patient-flows/{}/timeline": (None, set(), {"patient_flow_id", "steps"}),
    "GET /connections": (None, PAGE | {"q", "type", "state", "postal_code"}, [SOURCE]),
    "GET /connections/{}": (None, set(), SOURCE),
    "GET /pulls": (None, PAGE | {"status", "patient_id"}, [PULL]),
    "GET /pulls/{}": (None, set(), PULL),
    "POST /pulls/{}/retry": (None, set(), PULL),
    "GET /pulls/{}/manifest": (None, set(), {"pull_id", "searches", "types_refused", "references", "documents", "scopes"}),
    "GET /export-destinations": (None, PAGE, [{"id", "name", "kind", "settings", "enabled"}]),
    "POST /export-destinations": (
        {"name", "kind", "settings", "credentials", "enabled"}, set(), {"id", "name", "kind", "settings", "enabled"},
    ),
    "GET /exports": (None, PAGE | {"status", "destination_id"}, [{"id", "status", "destination_id"}]),
    "POST /exports": ({"destination_id", "mode"}, set(), {"id", "status", "destination_id"}),
    "POST /webhooks": ({"url", "events", "description", "metadata"}, set(), ENDPOINT | {"secret"}),
    "GET /webhooks": (None, PAGE | {"status"}, [ENDPOINT]),
    "GET /webhooks/{}": (None, set(), ENDPOINT),
    "PATCH /webhooks/{}": ({"url", "events", "description", "metadata", "status"}, set(), ENDPOINT),
    "DELETE /webhooks/{}": (None, set(), TOMBSTONE),
    "POST /webhooks/{}/rotate-secret": ({"overlap_seconds"}, set(), ENDPOINT | {"secret"}),
    "GET /webhooks/{}/events": (None, PAGE | {"delivered"}, [EVENT]),
    "POST /webhooks/{}/test": (None, set(), EVENT),
    "POST /webhooks/{}/recover": ({"since"}, set(), {"queued"}),
    "POST /events/{}/redeliver": (None, set(), EVENT),
    "GET /events": (None, PAGE | {"webhook_id", "after_sequence"}, [EVENT | {"deliveries", "sequence"}]),
    "GET /events/{}": (None, set(), EVENT | {"deliveries", "sequence"}),
    "POST /sandbox/connections/{}/advance": ({"seconds"}, set(), CONNECTION),
    "POST /sandbox/webhooks/{}/advance": ({"seconds"}, set(), ENDPOINT),
}  # fmt: skip

NESTED = {
    "Connection": CONNECTION,
    "PatientConnection": CONNECTION,
    "FlowConnection": FLOW_CONNECTION,
    "PullProgress": PROGRESS,
    "SourceLocation": {"city", "state", "postal_code"},
    "WebhookAttempt": {"number", "trigger", "started_at", "duration_ms", "status_code", "error"},
    "RecordList": LIST | {"patient_id", "previous_cursor"},
    "Error": {"error"},
}
ENUMS = {
    ("PatientConnection", "status"): {"active", "failed", "expired", "refresh_failed", "disconnected"},
    ("PatientFlow", "status"): {"open", "complete", "expired"},
    ("FhirSource", "status"): {"available", "degraded", "unavailable"},
    ("Pull", "status"): {"queued", "running", "waiting", "completed", "partial", "failed", "canceled"},
    ("Pull", "trigger"): {"connected", "schedule", "manual", "retry"},
    ("WebhookEndpoint", "status"): {"active", "disabled"},
}
LIMITS = {
    ("NewFlow", "patient_id"): {"minLength": 1, "maxLength": 200},
    ("NewFlow", "expires_in"): {"minimum": 60, "maximum": 86400, "default": 1800},
    ("NewFlow", "return_button_label"): {"minLength": 1, "maxLength": 60},
    ("NewFlow", "recommended_connection_ids"): {"maxItems": 50},
    ("NewFlow", "metadata"): {"maxProperties": 50},
    ("NewPatient", "name"): {"maxLength": 200},
    ("NewEndpoint", "description"): {"maxLength": 500},
    ("Rotation", "overlap_seconds"): {"minimum": 0, "maximum": 86400, "default": 0},
}
CODES = {
    401: {"missing_api_key", "invalid_api_key", "expired_api_key"},
    403: {"insufficient_scope", "forbidden"},
    400: {"bad_request", "invalid_data", "unsupported_api_version", "oauth_state_expired"},
    413: {"payload_too_large"},
    404: {"resource_not_found"},
    405: {"method_not_allowed"},
    409: {"resource_conflict", "external_id_already_exists"},
    429: {"throttled"},
    502: {"fhir_error", "oauth_error", "token_exchange_failed", "token_unavailable", "storage_error"},
    500: {"internal_error"},
}


@pytest.mark.parametrize("name", CONTRACT)
def test_the_operation_is_there_with_its_fields(document, name):
    body, query, answer = CONTRACT[name]
    operation = operations(document)[name]
    request = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    assert properties(document, request) == (body or set())
    found = {parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "query"}
    assert found >= query
    schema = answer_schema(operation)
    if isinstance(answer, list):
        assert properties(document, schema) >= LIST
        schema, answer = resolved(document, schema)["properties"]["data"]["items"], answer[0]
    if answer is not None:
        assert properties(document, schema) >= answer


@pytest.mark.parametrize("component", NESTED)
def test_nested_objects_have_their_fields(document, component):
    assert properties(document, document["components"]["schemas"][component]) >= NESTED[component]


@pytest.mark.parametrize(("component", "field"), ENUMS)
def test_statuses_are_the_contracts_words(document, component, field):
    schema = document["components"]["schemas"][component]["properties"][field]
    assert set(schema["enum"]) == ENUMS[component, field]


@pytest.mark.parametrize(("component", "field"), LIMITS)
def test_limits_are_the_contracts(document, component, field):
    schema = document["components"]["schemas"][component]["properties"][field]
    assert {name: schema.get(name) for name in LIMITS[component, field]} == LIMITS[component, field]


def test_errors_are_the_contracts():
    found: dict[int, set] = {}
    for error in ALL_ERRORS:
        found.setdefault(error.status, set()).add(error.code)
    assert found == CODES


def test_every_operation_tells_its_errors(document):
    for name, operation in operations(document).items():
        if name == "GET /health":
            continue
        expected = {"200", "400", "401", "403", "429", "500"}
        expected |= {"404"} if "{}" in name else set()
        expected |= {"413"} if operation["method"] in ("post", "put", "patch") else set()
        expected |= {"409"} if operation["method"] == "post" else set()
        assert set(operation["responses"]) >= expected, name


def test_every_operation_field_and_parameter_is_described(document):
    for name, operation in operations(document).items():
        assert operation["summary"], name
        assert operation["description"], name
        for parameter in operation["parameters"]:
            assert resolved(document, parameter).get("description"), (name, parameter)
    for component, schema in document["components"]["schemas"].items():
        assert schema.get("description") or "oneOf" in schema, component
        for field, inner in schema.get("properties", {}).items():
            assert component == "Error" or "description" in inner, (component, field)


def test_every_answer_has_a_request_id(document):
    for name, operation in operations(document).items():
        for status, response in operation["responses"].items():
            assert "X-Request-Id" in response["headers"], (name, status)


def test_everything_but_health_needs_a_key(document):
    for name, operation in operations(document).items():
        assert operation["security"] == ([] if name == "GET /health" else [{"api_key": []}]), name


def test_it_is_openapi_31_served_as_json(client, db):
    answer = client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1.")


@pytest.mark.parametrize("code", sorted(error.code for error in ALL_ERRORS))
def test_the_page_of_each_error_opens(client, db, code):
    answer = client.get(f"/docs/errors/{code}")
    assert answer.status_code == 200
    assert f"<code>{code}</code>" in answer.content.decode()
