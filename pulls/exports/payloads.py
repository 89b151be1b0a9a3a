"""Event bodies of exports (contract 6.1)."""

from pulls.exports.models import Export
from pulls.exports.serializers import ExportBody
from webhooks.actions import emit


def emit_export(event_type: str, export: Export) -> None:
    """`export.completed` or `export.failed`, with the run as the API shows it."""
    emit(tenant=export.destination.tenant, type=event_type, object=dict(ExportBody(export).data))
