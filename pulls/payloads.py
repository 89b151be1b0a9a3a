"""Event bodies of pulls (contract 6.1)."""

from pulls.models import Pull
from webhooks.actions import emit


def _base(pull: Pull) -> dict:
    return {
        "resource_type": "records_sync",
        "patient_id": pull.patient.patient_id,
        "connection_id": pull.connection.source_id,
        "pull_id": pull.pk,
    }


def emit_completed(pull: Pull) -> None:
    """`records.sync.completed`: also for a partly failed pull, with `errors > 0`."""
    body = _base(pull) | {
        "total": pull.total,
        "errors": pull.errors,
        "duration_ms": pull.duration_ms,
        "manifest_sha256": pull.manifest_sha256,
    }
    _emit("records.sync.completed", pull, body)


def emit_failed(pull: Pull, error_message: str) -> None:
    """`records.sync.failed`: in our words, never the portal's."""
    _emit("records.sync.failed", pull, _base(pull) | {"error_message": error_message})


def _emit(event_type: str, pull: Pull, body: dict) -> None:
    emit(tenant=pull.connection.tenant, type=event_type, object=body, patient_id=pull.patient.patient_id)
