"""The finishing of `/openapi.json`: what only the whole of the API can say."""

from django.conf import settings

from connect.docs import examples
from connect.docs.events import SCHEMAS, WEBHOOKS
from connect.openapi.components import COMPONENTS

INTRODUCTION = """
1. `POST /patient-flows` makes a link. The patient opens it, chooses a portal, logs in there and agrees.
2. `connection.active` and `patient_flow.completed` tell you; records are pulled in the background.
3. `records.sync.completed` tells you that they are here: read them at `GET /patients/{id}/records`.

**Keys.** `Authorization: Bearer mb_sk_sbx_…` acts in the sandbox, `mb_sk_live_…` in production; neither sees the other.

**Answers** are JSON. Success is always 200; a delete answers a tombstone. Every answer has an `X-Request-Id`.

**Errors** have one form, whatever failed: act on `error.code`; `error.doc_url` says what it means and what to do.

**Lists** are newest first. Send `next_cursor` as `starting_after`, under the same filters.

**Repeating safely.** Send an `Idempotency-Key` with a POST: the first answer is kept for 24 hours and replayed.

**A naming hazard, kept on purpose:** every *field* called `connection_id` holds a source's id (`fhirsrc_…`). A
connection's own id is its `id` (`conn_…`), and only path parameters take it.
""".strip()

TAGS = {
    "Patient flows": "Links that patients open to connect their portals.",
    "Patients": "The people you ask for records, under your own ids.",
    "Catalogue": "The portals that can be connected.",
    "Records": "FHIR records as the portals sent them.",
    "Pulls": "The runs that bring records here.",
    "Exports": "Records delivered to your bucket, FHIR server or folder.",
    "Webhooks": "URLs of yours that hear of events.",
    "Events": "What happened, and every attempt to tell you.",
    "Sandbox": "The sandbox's clock: live through what else takes days.",
    "Health": "Whether this server answers.",
}
METHODS = ("get", "post", "put", "patch", "delete")


def preprocess(endpoints):
    """`$` is part of `/records/$export`; drf-spectacular takes it for the end of a regular expression."""
    return [
        (path.replace("/export", "/$export") if "$export" in regex else path, regex, method, view)
        for path, regex, method, view in endpoints
    ]


def postprocess(result: dict, generator, request, public: bool) -> dict:
    """Add the introduction, servers, tags, shared components, events and examples."""
    result["info"] |= {
        "summary": "Send a patient a link; get FHIR records and signed webhooks.",
        "description": INTRODUCTION,
        "contact": {"name": "This server's documentation", "url": f"{settings.BASE_URL}/docs/"},
        "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    }
    result["servers"] = [{"url": settings.BASE_URL, "description": "This server"}]
    for kind, components in (COMPONENTS | {"schemas": COMPONENTS["schemas"] | SCHEMAS}).items():
        result["components"].setdefault(kind, {}).update(components)
    result["webhooks"] = WEBHOOKS
    operations = list(_operations(result))
    for operation in operations:
        _add_examples(operation)
    used = {tag for operation in operations for tag in operation["tags"]}
    result["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    _leave_out_unused_examples(result["components"]["examples"], operations)
    return _without_noise(result)


def _operations(result: dict):
    for path_item in result["paths"].values():
        yield from (path_item[method] for method in METHODS if method in path_item)


def _add_examples(operation: dict) -> None:
    name = operation["operationId"]
    if name in examples.REQUESTS:
        operation["requestBody"]["content"]["application/json"]["example"] = examples.REQUESTS[name]
    if name in examples.ANSWERS:
        for content in operation["responses"]["200"]["content"].values():
            content["example"] = examples.ANSWERS[name]


def _leave_out_unused_examples(error_examples: dict, operations: list[dict]) -> None:
    """Some errors happen in pages or in the background, and no operation answers them."""
    used = set()
    for operation in operations:
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                used |= content.get("examples", {}).keys()
    for code in error_examples.keys() - used:
        del error_examples[code]


# drf-spectacular's note to itself; and what is never said of ours, since a body is either sent or answered.
NOISE = ("x-spec-enum-id", "readOnly")


def _without_noise(node):
    if isinstance(node, dict):
        return {key: _without_noise(value) for key, value in node.items() if key not in NOISE}
    return [_without_noise(item) for item in node] if isinstance(node, list) else node
