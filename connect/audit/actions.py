"""Writing to the audit log: one function, called inside the transaction of the act."""

from dataclasses import dataclass

import structlog

from connect.audit.models import Entry
from connect.statements import insert


@dataclass(frozen=True)
class Actor:
    """Who acts: `kind` is api_key, staff, patient or system; `address` is where the request came from."""

    kind: str
    name: str = ""
    address: str | None = None


SYSTEM = Actor("system")
PATIENT = Actor("patient")


def record(**told) -> None:
    """Append the `entry` of what is told."""
    insert(entry(**told))


def entry(
    *, action: str, by: Actor, organization_id: str = "", environment: str = "", object_type: str = "",
    object_id: str = "", **detail,
) -> Entry:  # fmt: skip
    """An entry that the caller inserts, together with the row it is about.

    `detail` holds small facts without personal data or secrets (counts, old and new status).
    """
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return Entry(
        action=action, actor_kind=by.kind, actor=by.name, address=by.address, organization_id=organization_id,
        environment=environment, object_type=object_type, object_id=object_id, request_id=request_id, detail=detail,
    )  # fmt: skip
