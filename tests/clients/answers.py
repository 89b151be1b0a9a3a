"""Answers in the contract's shapes."""

AT = "2026-04-25T14:30:00.000Z"


def patient(patient_id: str = "p-1", **more) -> dict:
    return {
        "id": patient_id, "resource_type": "patient", "email": None, "name": None, "metadata": {}, "created_at": AT,
    } | more  # fmt: skip


def page(*items: dict, cursor: str | None = None, has_more: bool | None = None) -> dict:
    more = cursor is not None if has_more is None else has_more
    return {"resource_type": "list", "data": [*items], "has_more": more, "next_cursor": cursor}


def error(code: str = "invalid_data", type: str = "invalid_request_error", param: str | None = None) -> dict:
    return {
        "error": {
            "type": type, "code": code, "message": "Told why", "param": param,
            "doc_url": f"http://connect.test/docs/errors/{code}", "request_id": "9c9b6f7a-8e4f-4a3b-9c1e-6f3a2d8b7c4d",
        }
    }  # fmt: skip


def flow(**more) -> dict:
    return {
        "id": "pf_1", "resource_type": "patient_flow", "status": "open", "url": "http://connect.test/c/token",
        "patient_id": "p-1", "connection_id": None, "recommended_connection_ids": [],
        "return_url": "https://app.test/back", "return_button_label": None, "connections": [], "expires_at": AT,
        "metadata": {}, "created_at": AT, "completed_at": None,
    } | more  # fmt: skip


def connection(**more) -> dict:
    return {
        "id": "conn_1", "resource_type": "connection", "patient_flow_id": "pf_1", "connection_id": "fhirsrc_1",
        "status": "active", "scopes": ["patient/*.rs"], "failure_code": None, "failure_at": None, "created_at": AT,
        "updated_at": AT,
    } | more  # fmt: skip


def pull(**more) -> dict:
    return {
        "id": "pull_1", "resource_type": "pull", "patient_id": "p-1", "connection_id": "fhirsrc_1",
        "status": "running", "trigger": "manual", "retry_of": None, "progress": [], "total": 0, "errors": 0, "started_at": AT,
        "finished_at": None, "duration_ms": None,
    } | more  # fmt: skip


def endpoint(**more) -> dict:
    return {
        "id": "wh_1", "resource_type": "webhook_endpoint", "url": "https://app.test/hooks", "events": ["*"],
        "status": "active", "description": None, "metadata": {}, "api_version": "2026-04-25", "created_at": AT,
        "updated_at": AT,
    } | more  # fmt: skip


def event(sequence: int = 1, **more) -> dict:
    return {
        "id": f"evt_{sequence}", "resource_type": "event", "webhook_endpoint_id": "wh_1", "type": "connection.active",
        "data": {"object": connection()}, "api_version": "2026-04-25", "attempts": 0, "next_attempt_at": None,
        "delivered_at": None, "last_status_code": None, "last_response_body": None, "last_redelivered_at": None,
        "created_at": AT, "patient_id": "p-1", "sequence": sequence, "status": "held", "deliveries": [],
    } | more  # fmt: skip
