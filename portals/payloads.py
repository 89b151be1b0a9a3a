"""Event bodies of connections (contract 6.1), and their writing."""

from connect.organizations.fields import InstantField
from portals.models import Connection
from webhooks.actions import emit

_instant = InstantField().to_representation


def emit_connection_event(event_type: str, connection: Connection, **more) -> None:
    """Write the event in the transaction of the connection's change; `more` joins its `data.object`."""
    emit(
        tenant=connection.tenant,
        type=event_type,
        object=connection_object(connection, **more),
        patient_id=connection.patient.patient_id,
    )


def connection_object(connection: Connection, **more) -> dict:
    """The `data.object` of an event about a connection; `connection_id` is the source's id (contract 1.3)."""
    return {
        "id": connection.pk,
        "resource_type": "connection",
        "connection_id": connection.source_id,
        "patient_id": connection.patient.patient_id,
        "patient_flow_id": connection.patient_flow_id,
        "status": str(connection.status),
        "failure_code": connection.failure_code,
        "failure_at": _instant(connection.failure_at),
        "access_ends_at": _instant(connection.access_ends_at),
        "successor_id": connection.source.successor_id,
        "created_at": _instant(connection.created_at),
        **more,
    }
