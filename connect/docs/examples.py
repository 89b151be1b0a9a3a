"""One true example of each operation: what is sent, and what is answered (tests send them all)."""

from connect.openapi.components import PATH_PARAMETERS

PATIENT_ID, FLOW_ID, CONNECTION_ID, SOURCE_ID, PULL_ID, ENDPOINT_ID, EVENT_ID, DESTINATION_ID, EXPORT_ID = (
    PATH_PARAMETERS[name][1]
    for name in (
        "patient_id",
        "flow_id",
        "conn_id",
        "named",
        "pull_id",
        "endpoint_id",
        "event_id",
        "destination_id",
        "export_id",
    )
)
BEGAN, CONNECTED, PULLED, DONE = (
    f"2026-07-05T{time}Z" for time in ("09:00:00.000", "09:02:11.482", "09:02:12.100", "09:02:40.007")
)
SCOPES = ["launch/patient", "openid", "fhirUser", "offline_access", "patient/*.read"]

PATIENT = {
    "id": PATIENT_ID,
    "resource_type": "patient",
    "email": "ann@example.org",
    "name": "Ann Rivera",
    "metadata": {"plan": "gold"},
    "created_at": BEGAN,
}
CONNECTION = {
    "id": CONNECTION_ID,
    "resource_type": "connection",
    "patient_flow_id": FLOW_ID,
    "connection_id": SOURCE_ID,
    "status": "active",
    "scopes": SCOPES,
    "failure_code": None,
    "failure_at": None,
    "created_at": CONNECTED,
    "updated_at": DONE,
    "renewable": True,
    "scopes_missing": [],
    "access_ends_at": None,
    "last_pulled_at": DONE,
    "next_pull_at": "2026-07-06T09:02:11.482Z",
}
FLOW = {
    "id": FLOW_ID,
    "resource_type": "patient_flow",
    "status": "open",
    "url": "https://connect.example.com/c/kP3vT8mYx2QeR6nWb5sLzA",
    "patient_id": PATIENT_ID,
    "connection_id": None,
    "recommended_connection_ids": [SOURCE_ID],
    "return_url": "https://app.example.com/records?step=2",
    "return_button_label": "Trials",
    "connections": [],
    "expires_at": "2026-07-05T09:30:00.000Z",
    "metadata": {"campaign": "summer"},
    "created_at": BEGAN,
    "completed_at": None,
}
COMPLETED_FLOW = {
    **FLOW,
    "status": "complete",
    "url": None,
    "connections": [
        {
            "id": CONNECTION_ID,
            "connection_id": SOURCE_ID,
            "status": "active",
            "failure_code": None,
            "failure_at": None,
            "created_at": "2026-07-05T09:01:30.250Z",
        }
    ],
    "completed_at": PULLED,
}
SOURCE = {
    "id": SOURCE_ID,
    "resource_type": "fhir_source",
    "name": "Riverside Medical Center",
    "type": "epic",
    "fhir_base_url": "https://fhir.riverside.example/api/FHIR/R4",
    "logo_url": None,
    "portal_url": "https://mychart.riverside.example",
    "brand": "Riverside Health",
    "aliases": ["RMC"],
    "locations": [{"city": "Riverside", "state": "CA", "postal_code": "92501"}],
    "status": "available",
}
PROGRESS = [
    {"type": "Patient", "status": "done", "fetched": 1, "expected": 1, "stored": 1, "error": None},
    {"type": "Observation", "status": "done", "fetched": 212, "expected": 212, "stored": 212, "error": None},
]
PULL = {
    "id": PULL_ID,
    "resource_type": "pull",
    "patient_id": PATIENT_ID,
    "connection_id": SOURCE_ID,
    "status": "completed",
    "trigger": "connected",
    "retry_of": None,
    "progress": PROGRESS,
    "total": 213,
    "errors": 0,
    "started_at": PULLED,
    "finished_at": DONE,
    "duration_ms": 27907,
}
REFERENCES = {"listed": 4, "fetched": 4, "held": 0, "skipped": 0, "failed": 0, "reasons": {}, "lacking": []}
MANIFEST = {
    "resource_type": "pull_manifest",
    "pull_id": PULL_ID,
    "connection_id": SOURCE_ID,
    "fhir_base_url": SOURCE["fhir_base_url"],
    "trigger": "connected",
    "retry_of": None,
    "started_at": PULLED,
    "finished_at": DONE,
    "scopes": SCOPES,
    "searches": [
        {
            "type": "Observation",
            "query": "category=laboratory",
            "status": "done",
            "pages": 3,
            "pages_lost": [],
            "total": 212,
            "fetched": 212,
            "included": 0,
            "kept": 212,
            "unchanged": 0,
            "unreadable": 0,
            "outcomes": [],
            "error": None,
        }
    ],
    "types_refused": [],
    "types_vouched_before": [],
    "resources_gone": {},
    "references": REFERENCES,
    "documents": {**REFERENCES, "listed": 0, "fetched": 0},
}
RECORD = {
    "source": SOURCE_ID,
    "resource": {
        "resourceType": "Patient",
        "id": "eq081-VQEgP8drUUqCWzHfw3",
        "name": [{"family": "Rivera", "given": ["Ann"]}],
        "identifier": [{"system": "urn:medblocks:patient-id", "value": PATIENT_ID}],
    },
}
COMPLETENESS = {
    "resource_type": "completeness",
    "patient_id": PATIENT_ID,
    "connections": [
        {
            "id": CONNECTION_ID,
            "connection_id": SOURCE_ID,
            "name": SOURCE["name"],
            "status": "active",
            "last_pull_id": PULL_ID,
            "last_pulled_at": DONE,
            "is_complete": True,
            "types_complete": ["Patient", "Observation"],
            "types_lacking": [],
            "sentences": [f"Everything asked for was fetched from {SOURCE['name']} at {DONE}."],
        }
    ],
}
ENDPOINT = {
    "id": ENDPOINT_ID,
    "resource_type": "webhook_endpoint",
    "url": "https://app.example.com/hooks/connect",
    "events": ["*"],
    "status": "active",
    "description": "Production",
    "metadata": {},
    "api_version": "2026-04-25",
    "created_at": BEGAN,
    "updated_at": BEGAN,
}
NEW_SECRET = {**ENDPOINT, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
EVENT = {
    "id": EVENT_ID,
    "resource_type": "event",
    "webhook_endpoint_id": ENDPOINT_ID,
    "type": "patient_flow.completed",
    "data": {"object": COMPLETED_FLOW},
    "api_version": "2026-04-25",
    "attempts": 1,
    "next_attempt_at": None,
    "delivered_at": DONE,
    "last_status_code": 200,
    "last_response_body": "ok",
    "last_redelivered_at": None,
    "created_at": PULLED,
    "patient_id": PATIENT_ID,
    "sequence": 41,
    "status": "delivered",
}
QUEUED_EVENT = {**EVENT, "next_attempt_at": DONE, "last_redelivered_at": DONE, "status": "pending"}
ATTEMPT = {
    "number": 1,
    "trigger": "event",
    "started_at": PULLED,
    "duration_ms": 48,
    "status_code": 200,
    "error": "",
}
EVENT_WITH_ATTEMPTS = {**EVENT, "deliveries": [ATTEMPT]}
TIMELINE = {
    "resource_type": "patient_flow_timeline",
    "patient_flow_id": FLOW_ID,
    "steps": [
        {"kind": "link_opened", "at": "2026-07-05T09:00:40.120Z", "outcome": "", "connection_id": None},
        {"kind": "sent_to_portal", "at": "2026-07-05T09:01:30.250Z", "outcome": "", "connection_id": SOURCE_ID},
        {"kind": "connected", "at": CONNECTED, "outcome": "", "connection_id": SOURCE_ID},
    ],
}
DESTINATION = {
    "id": DESTINATION_ID,
    "resource_type": "export_destination",
    "name": "Warehouse",
    "kind": "folder",
    "settings": {"folder": "warehouse", "compress": True},
    "enabled": True,
    "complete_until": DONE,
    "created_at": BEGAN,
    "updated_at": BEGAN,
}
DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXPORT = {
    "id": EXPORT_ID,
    "resource_type": "export",
    "destination_id": DESTINATION_ID,
    "status": "completed",
    "trigger": "pull",
    "mode": "changes",
    "resources": 213,
    "gone": 0,
    "bytes": 318412,
    "errors": 0,
    "reasons": {},
    "error": None,
    "folder": f"{DESTINATION_ID}/2026-07-05/{EXPORT_ID}",
    "manifest_sha256": DIGEST,
    "started_at": DONE,
    "finished_at": "2026-07-05T09:02:41.330Z",
    "created_at": DONE,
}
NEW_PATIENT = {
    "patient_id": PATIENT_ID,
    "email": "ann@example.org",
    "name": "Ann Rivera",
    "metadata": {"plan": "gold"},
}


def page(item: dict, **more) -> dict:
    """A list of one."""
    return {"resource_type": "list", "data": [item], "has_more": False, "next_cursor": None, **more}


def tombstone(object_id: str, resource_type: str, word: str) -> dict:
    return {"id": object_id, "resource_type": resource_type, word: True}


REQUESTS = {
    "create_patient": {**NEW_PATIENT, "patient_id": "patient-43"},
    "replace_patient": NEW_PATIENT,
    "create_patient_flow": {
        "patient_id": PATIENT_ID,
        "recommended_connection_ids": [SOURCE_ID],
        "return_url": FLOW["return_url"],
        "return_button_label": "Trials",
        "metadata": {"campaign": "summer"},
    },
    "create_webhook": {"url": ENDPOINT["url"], "events": ["*"], "description": "Production"},
    "update_webhook": {"events": ["patient_flow.completed", "records.sync.completed"]},
    "rotate_webhook_secret": {"overlap_seconds": 3600},
    "recover_webhook": {"since": BEGAN},
    "create_export_destination": {"name": "Copies", "kind": "folder", "settings": {"folder": "copies"}},
    "update_export_destination": {"name": "Warehouse", "enabled": False},
    "create_export": {"destination_id": DESTINATION_ID, "mode": "all"},
    "advance_connection": {"seconds": 86400},
    "advance_webhook": {"seconds": 3600},
}

ANSWERS = {
    "get_health": {"ok": True, "server_time": BEGAN},
    "create_patient": {**PATIENT, "id": "patient-43"},
    "list_patients": page(PATIENT),
    "get_patient": {**PATIENT, "connections": [CONNECTION]},
    "replace_patient": PATIENT,
    "delete_patient": tombstone(PATIENT_ID, "patient", "deleted"),
    "disconnect_connection": tombstone(CONNECTION_ID, "connection", "disconnected"),
    "create_patient_flow": FLOW,
    "list_patient_flows": page(FLOW),
    "get_patient_flow": FLOW,
    "expire_patient_flow": {**FLOW, "status": "expired", "url": None},
    "get_patient_flow_timeline": TIMELINE,
    "list_flows_of_patient": page(FLOW),
    "list_sources": page(SOURCE),
    "get_source": SOURCE,
    "advance_connection": CONNECTION,
    "list_records": page(RECORD, patient_id=PATIENT_ID, previous_cursor="eyJwIjpbMV19:1uXa2b:Zk3"),
    "export_records": '{"resourceType":"Patient","id":"eq081-VQEgP8drUUqCWzHfw3"}\n',
    "get_completeness": COMPLETENESS,
    "list_pulls": page(PULL),
    "get_pull": PULL,
    "get_pull_manifest": MANIFEST,
    "pull_now": {
        **PULL, "status": "queued", "trigger": "manual", "progress": [], "total": 0, "started_at": None,
        "finished_at": None, "duration_ms": None,
    },
    "retry_pull": {
        **PULL, "id": "pull_01KS4PSYXR6BE2PT8X8J1QVS3B", "status": "queued", "trigger": "retry", "retry_of": PULL_ID,
        "progress": [], "total": 0, "started_at": None, "finished_at": None, "duration_ms": None,
    },
    "create_export_destination": {
        **DESTINATION, "name": "Copies", "settings": {"folder": "copies", "compress": True}, "complete_until": None,
    },
    "list_export_destinations": page(DESTINATION),
    "get_export_destination": DESTINATION,
    "update_export_destination": {**DESTINATION, "enabled": False},
    "create_export": {
        **EXPORT, "status": "queued", "trigger": "manual", "mode": "all", "resources": 0, "bytes": 0,
        "manifest_sha256": None, "started_at": None, "finished_at": None,
    },
    "list_exports": page(EXPORT),
    "get_export": EXPORT,
    "create_webhook": NEW_SECRET,
    "list_webhooks": page(ENDPOINT),
    "get_webhook": ENDPOINT,
    "update_webhook": {**ENDPOINT, "events": REQUESTS["update_webhook"]["events"]},
    "delete_webhook": tombstone(ENDPOINT_ID, "webhook_endpoint", "deleted"),
    "rotate_webhook_secret": NEW_SECRET,
    "list_events_of_webhook": page(EVENT),
    "test_webhook": {
        **QUEUED_EVENT, "type": "webhook_endpoint.test", "data": {"object": ENDPOINT}, "attempts": 0, "patient_id": None,
        "sequence": None, "delivered_at": None, "last_status_code": None, "last_response_body": None,
        "last_redelivered_at": None,
    },
    "recover_webhook": {"id": ENDPOINT_ID, "resource_type": "webhook_recovery", "since": BEGAN, "queued": 3},
    "advance_webhook": ENDPOINT,
    "list_events": page(EVENT_WITH_ATTEMPTS),
    "get_event": EVENT_WITH_ATTEMPTS,
    "redeliver_event": QUEUED_EVENT,
}  # fmt: skip
