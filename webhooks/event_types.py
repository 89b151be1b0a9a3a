"""The event types that exist (contract 6.1)."""

ALL = "*"

PATIENT_FLOW_COMPLETED = "patient_flow.completed"
PATIENT_FLOW_EXPIRED = "patient_flow.expired"
CONNECTION_ACTIVE = "connection.active"
CONNECTION_EXPIRING = "connection.expiring"
CONNECTION_EXPIRED = "connection.expired"
CONNECTION_DISCONNECTED = "connection.disconnected"
CONNECTION_TOKEN_REFRESH_FAILED = "connection.token_refresh_failed"
RECORDS_SYNC_COMPLETED = "records.sync.completed"
RECORDS_SYNC_FAILED = "records.sync.failed"
EXPORT_COMPLETED = "export.completed"
EXPORT_FAILED = "export.failed"
WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
WEBHOOK_ENDPOINT_TEST = "webhook_endpoint.test"

KNOWN = (
    PATIENT_FLOW_COMPLETED, PATIENT_FLOW_EXPIRED,
    CONNECTION_ACTIVE, CONNECTION_EXPIRING, CONNECTION_EXPIRED, CONNECTION_DISCONNECTED,
    CONNECTION_TOKEN_REFRESH_FAILED,
    RECORDS_SYNC_COMPLETED, RECORDS_SYNC_FAILED,
    EXPORT_COMPLETED, EXPORT_FAILED,
    WEBHOOK_ENDPOINT_DISABLED, WEBHOOK_ENDPOINT_TEST,
)  # fmt: skip
SUBSCRIBABLE = (ALL, *KNOWN)
