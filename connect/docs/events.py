"""The `webhooks` section of `/openapi.json`: every event as it arrives at a receiver (contract 6)."""

from connect.docs.event_examples import EVENTS
from connect.openapi.components import reference
from webhooks.event_types import KNOWN

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TEXT_OR_NULL = {"type": ["string", "null"]}
INSTANT = {"type": "string", "format": "date-time"}
INSTANT_OR_NULL = {"type": ["string", "null"], "format": "date-time"}


def _object(description: str, properties: dict, **more) -> dict:
    return {
        "type": "object", "description": description, "required": list(properties), "properties": properties, **more,
    }  # fmt: skip


CONNECTION = {
    "id": {**TEXT, "description": "`conn_…`: the connection's own id."},
    "resource_type": {"const": "connection", "description": "What this object is."},
    "connection_id": {**TEXT, "description": "The source's id (`fhirsrc_…`)."},
    "patient_id": {**TEXT, "description": "Your own id of the patient."},
    "patient_flow_id": {**TEXT_OR_NULL, "description": "The flow that granted or renewed it last."},
    "status": {**TEXT, "description": "What it is now."},
    "failure_code": {**TEXT_OR_NULL, "description": "Why access ended, as a code of ours."},
    "failure_at": {**INSTANT_OR_NULL, "description": "When it ended."},
    "access_ends_at": {**INSTANT_OR_NULL, "description": "A known end of consent."},
    "successor_id": {**TEXT_OR_NULL, "description": "The source to reconnect to instead, where its portal moves."},
    "created_at": {**INSTANT, "description": "When it was made."},
}
RECONNECTED = {"type": "boolean", "description": "Whether a connection came back to life, rather than a new one."}
SYNC = {
    "resource_type": {"const": "records_sync", "description": "What this object is."},
    "patient_id": {**TEXT, "description": "Your own id of the patient."},
    "connection_id": {**TEXT, "description": "The source's id (`fhirsrc_…`)."},
    "pull_id": {**TEXT, "description": "The pull."},
}
SYNC_COMPLETED = {
    **SYNC,
    "total": {**NUMBER, "description": "Resources that are new or changed."},
    "errors": {**NUMBER, "description": "Resource types that could not be had: a partly failed pull has some."},
    "duration_ms": {**NUMBER, "description": "How long it took, in milliseconds."},
    "manifest_sha256": {**TEXT, "description": "SHA-256 of the pull's manifest."},
}
SYNC_FAILED = {**SYNC, "error_message": {**TEXT, "description": "Why, in our words."}}
DISABLED = {"type": "object", "properties": {"disabled_reason": {**TEXT, "description": "Why."}}}

SCHEMAS = {
    "ConnectionSubject": _object("The connection that an event is about.", CONNECTION),
    "ConnectionActiveSubject": _object("The connection that became active.", {**CONNECTION, "reconnected": RECONNECTED}),
    "RecordsSyncCompleted": _object("What a pull brought.", SYNC_COMPLETED),
    "RecordsSyncFailed": _object("The pull that failed.", SYNC_FAILED),
    "DisabledEndpoint": {
        "description": "The endpoint that was disabled, and why.",
        "allOf": [reference("schemas", "WebhookEndpoint"), DISABLED],
    },
}  # fmt: skip

# type: (the component of `data.object`, when it is sent)
SUBJECTS = {
    "patient_flow.completed": ("PatientFlow", "The patient pressed Done, or came back from the portal in Direct Mode."),
    "patient_flow.expired": ("PatientFlow", "The link's time ran out, or you ended it."),
    "connection.active": ("ConnectionActiveSubject", "A portal granted access, for the first time or again."),
    "connection.expiring": ("ConnectionSubject", "Access ends within 7 days: ask the patient to reconnect."),
    "connection.expired": ("ConnectionSubject", "Access has ended, as it was known to."),
    "connection.disconnected": ("ConnectionSubject", "You or the patient revoked access."),
    "connection.token_refresh_failed": ("ConnectionSubject", "The portal ended access: the patient must reconnect."),
    "records.sync.completed": ("RecordsSyncCompleted", "A pull was settled: read what is new."),
    "records.sync.failed": ("RecordsSyncFailed", "A pull brought nothing."),
    "export.completed": ("Export", "An export run delivered everything."),
    "export.failed": ("Export", "An export run failed."),
    "webhook_endpoint.disabled": (
        "DisabledEndpoint", "An event failed nine times at another endpoint of yours, which was disabled.",
    ),
    "webhook_endpoint.test": ("WebhookEndpoint", "You asked for it."),
}  # fmt: skip

HEADERS = [
    ("Medblocks-Signature", "`t=<unix>,v1=<hex>`: HMAC-SHA256 keyed by the whole secret over `{t}.{body}`; during an "
     "overlap of secrets one more `v1`."),
    ("webhook-id", "The event's id (Standard Webhooks)."),
    ("webhook-timestamp", "When it was sent, in seconds since 1970."),
    ("webhook-signature", "`v1,<base64>`: keyed by the base64 after `whsec_` over `{id}.{timestamp}.{body}`; during an "
     "overlap space-separated."),
]  # fmt: skip
PARAMETERS = [
    {"in": "header", "name": name, "required": True, "description": description, "schema": TEXT}
    for name, description in HEADERS
]
RESPONSES = {
    "2XX": {"description": "Taken, within 5 seconds. The body is kept for you to see, 4 KB at most."},
    "default": {
        "description": "Anything else is tried again: nine attempts over 3.6 days. Redirects are not followed."
    },
}


def envelope(event_type: str, component: str) -> dict:
    """The body of one event."""
    return _object(
        SUBJECTS[event_type][1],
        {
            "id": {**TEXT, "description": "`evt_…`, the same at every attempt: see each once by it."},
            "object": {"const": "event", "description": "Always `event`."},
            "type": {"const": event_type, "description": "What happened."},
            "api_version": {**TEXT, "description": "The version it is written in."},
            "created_at": {**INSTANT, "description": "When it happened."},
            "patient_id": {**TEXT_OR_NULL, "description": "Your own id of the patient, where there is one."},
            "sequence": {**NUMBER, "description": "Its number at this endpoint, without gaps."},
            "data": {
                "type": "object",
                "required": ["object"],
                "properties": {"object": reference("schemas", component)},
                "description": "The thing it happened to, as it was then.",
            },
        },
    )


def _webhook(event_type: str) -> dict:
    component, when = SUBJECTS[event_type]
    example = EVENTS[event_type]
    return {
        "post": {
            "operationId": f"receive_{event_type.replace('.', '_')}",
            "summary": event_type,
            "description": when,
            "tags": ["Events"],
            "security": [],
            "parameters": PARAMETERS,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": envelope(event_type, component), "example": example}},
            },
            "responses": RESPONSES,
        }
    }


WEBHOOKS = {event_type: _webhook(event_type) for event_type in KNOWN}
