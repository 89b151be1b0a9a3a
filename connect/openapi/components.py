"""What many operations refer to: headers, parameters, the error and one example of each of its codes."""

from connect.errors import ALL_ERRORS, ApiError
from connect.idempotency import HEADER as IDEMPOTENCY_KEY
from connect.idempotency import REPLAYED_HEADER
from connect.request_id import HEADER as REQUEST_ID
from connect.versions import CURRENT, KNOWN
from connect.versions import HEADER as VERSION

EXAMPLE_REQUEST_ID = "9c9b6f7a-8e4f-4a3b-9c1e-6f3a2d8b7c4d"


def reference(kind: str, name: str) -> dict:
    return {"$ref": f"#/components/{kind}/{name}"}


def _header(description: str, schema: dict, example, *, required: bool = False) -> dict:
    return {"description": description, "schema": schema, "required": required, "example": example}


HEADERS = {
    REQUEST_ID: _header(
        "The id of this request, in every log line about it. Equal to `error.request_id`.",
        {"type": "string", "format": "uuid"}, EXAMPLE_REQUEST_ID, required=True,
    ),
    "RateLimit": _header(
        "What is left of the window: `r` requests, for `t` more seconds.",
        {"type": "string"}, '"default";r=1187;t=42',
    ),
    "RateLimit-Policy": _header(
        "The limit of this key: `q` requests in a window of `w` seconds.",
        {"type": "string"}, '"default";q=1200;w=60',
    ),
    "Retry-After": _header(
        "Seconds after which to ask again.", {"type": "integer", "minimum": 1}, 17,
    ),
    REPLAYED_HEADER: _header(
        "`true` when this is the kept answer of an earlier request with the same `Idempotency-Key`.",
        {"type": "string", "const": "true"}, "true",
    ),
    "WWW-Authenticate": _header("How to authenticate.", {"type": "string"}, "Bearer"),
}  # fmt: skip

PARAMETERS = {
    VERSION: {
        "in": "header",
        "name": VERSION,
        "required": False,
        "description": "The API version to answer in; without it, the version pinned on the key.",
        "schema": {"type": "string", "enum": list(KNOWN)},
        "example": CURRENT,
    },
    IDEMPOTENCY_KEY: {
        "in": "header",
        "name": IDEMPOTENCY_KEY,
        "required": False,
        "description": "Makes repeating this request safe: the first answer is kept for 24 hours and replayed. "
        "1 to 255 printable ASCII characters, such as a UUID of yours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        "example": "b8f3c1de-4b1f-4c56-9f0e-0f6f4ce2a1d7",
    },
}

PATH_PARAMETERS = {
    "patient_id": ("Your own id of the patient, URL-encoded.", "patient-42"),
    "flow_id": ("A PatientFlow's id.", "pf_01KWSQ6ZV0A4M6F3T9C8X2B7YD"),
    "conn_id": ("A connection's own id (`conn_…`), not the id of its source.", "conn_01KWSQ7M3N5R8T0V2X4Z6B9DFH"),
    "named": ("A source's id (`fhirsrc_…`), or its FHIR base URL, URL-encoded.", "fhirsrc_mhkfbz4xtjm7q2wq5n3cdsyv6e"),
    "pull_id": ("A pull's id.", "pull_01KWSQ7M4P6S9V1X3Z5B8DFHJK"),
    "endpoint_id": ("A webhook endpoint's id.", "wh_01KWSPZX2C4E6G8J0M3Q5S7V9Y"),
    "event_id": ("An event's id.", "evt_01KWSQ7M5Q7T0W2Y4A6C9EGJKM"),
    "export_id": ("An export run's id.", "exp_01KWSQ7M6R8V1X3Z5B7DAFHKMN"),
    "destination_id": ("An export destination's id.", "dest_01KWSQ7M7S9W2Y4A6C8EBGJMNP"),
}

ERROR = {
    "type": "object",
    "description": "What every answer is that is not a success.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "code", "message", "param", "doc_url", "request_id"],
            "properties": {
                "type": {
                    "type": "string",
                    "enum": sorted({error.type for error in ALL_ERRORS}),
                    "description": "The kind of error.",
                },
                "code": {
                    "type": "string",
                    "enum": [error.code for error in ALL_ERRORS],
                    "description": "The error; act on this.",
                },
                "message": {"type": "string", "description": "For developers, in English. May change."},
                "param": {
                    "type": ["string", "null"],
                    "description": "The offending field with its path: `events[1]`, `metadata.plan`.",
                },
                "doc_url": {"type": "string", "format": "uri", "description": "A page about this code."},
                "request_id": {"type": ["string", "null"], "description": "Equal to the header `X-Request-Id`."},
            },
        }
    },
}


def error_example(error: type[ApiError]) -> dict:
    """An answer of this code as the server words it."""
    value = {
        "type": error.type,
        "code": error.code,
        "message": error.message,
        "param": EXAMPLE_PARAMS.get(error.code),
        "doc_url": f"https://connect.example.com/docs/errors/{error.code}",
        "request_id": EXAMPLE_REQUEST_ID,
    }
    return {"summary": error.message, "value": {"error": value}}


EXAMPLE_PARAMS = {"invalid_data": "patient_id", "external_id_already_exists": "patient_id"}

API_KEY = "api_key"
SECURITY_SCHEMES = {
    API_KEY: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "mb_sk_…",
        "description": "An API key of an organisation: `mb_sk_sbx_…` for its sandbox, `mb_sk_live_…` for production.",
    }
}

COMPONENTS = {
    "securitySchemes": SECURITY_SCHEMES,
    "schemas": {"Error": ERROR},
    "headers": HEADERS,
    "parameters": PARAMETERS,
    "examples": {error.code: error_example(error) for error in ALL_ERRORS},
}
