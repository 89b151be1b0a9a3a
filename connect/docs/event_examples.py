"""One true example of each event, as a receiver gets it."""

from connect.docs.examples import (
    COMPLETED_FLOW,
    CONNECTED,
    CONNECTION_ID,
    DIGEST,
    DONE,
    ENDPOINT,
    EVENT_ID,
    EXPORT,
    FLOW,
    FLOW_ID,
    PATIENT_ID,
    PULL_ID,
    PULLED,
    SOURCE_ID,
)


def event_body(event_type: str, subject: dict, patient_id: str | None = PATIENT_ID) -> dict:
    """A delivery's body as it arrives."""
    return {
        "id": EVENT_ID,
        "object": "event",
        "type": event_type,
        "api_version": "2026-04-25",
        "created_at": PULLED,
        "patient_id": patient_id,
        "sequence": 41,
        "data": {"object": subject},
    }


CONNECTION_SUBJECT = {
    "id": CONNECTION_ID,
    "resource_type": "connection",
    "connection_id": SOURCE_ID,
    "patient_id": PATIENT_ID,
    "patient_flow_id": FLOW_ID,
    "status": "active",
    "failure_code": None,
    "failure_at": None,
    "access_ends_at": None,
    "successor_id": None,
    "created_at": CONNECTED,
}
REFRESH_FAILED = {"status": "refresh_failed", "failure_code": "refresh_rejected", "failure_at": DONE}
LAPSED = {"status": "expired", "failure_code": "access_lapsed", "failure_at": DONE}
SYNC = {"resource_type": "records_sync", "patient_id": PATIENT_ID, "connection_id": SOURCE_ID, "pull_id": PULL_ID}
EVENTS = {
    "patient_flow.completed": event_body("patient_flow.completed", COMPLETED_FLOW),
    "patient_flow.expired": event_body("patient_flow.expired", {**FLOW, "status": "expired", "url": None}),
    "connection.active": event_body("connection.active", {**CONNECTION_SUBJECT, "reconnected": False}),
    "connection.expiring": event_body(
        "connection.expiring", {**CONNECTION_SUBJECT, "access_ends_at": "2026-07-12T09:02:11.482Z"}
    ),
    "connection.expired": event_body("connection.expired", CONNECTION_SUBJECT | LAPSED),
    "connection.disconnected": event_body(
        "connection.disconnected", {**CONNECTION_SUBJECT, "status": "disconnected"}
    ),
    "connection.token_refresh_failed": event_body("connection.token_refresh_failed", CONNECTION_SUBJECT | REFRESH_FAILED),
    "records.sync.completed": event_body(
        "records.sync.completed",
        {**SYNC, "total": 213, "errors": 0, "duration_ms": 27907, "manifest_sha256": DIGEST},
    ),
    "records.sync.failed": event_body(
        "records.sync.failed", {**SYNC, "error_message": "The portal could not be reached for 6 hours."}
    ),
    "webhook_endpoint.disabled": event_body(
        "webhook_endpoint.disabled",
        {**ENDPOINT, "status": "disabled", "disabled_reason": "attempts_exhausted"}, None,
    ),
    "export.completed": event_body("export.completed", EXPORT, None),
    "export.failed": event_body("export.failed", {**EXPORT, "status": "failed", "error": "access_denied"}, None),
    "webhook_endpoint.test": event_body("webhook_endpoint.test", ENDPOINT, None),
}  # fmt: skip
