"""Records by the page in single statements, whose text never changes: what we hold of them, and writing them.

PostgreSQL takes a column as an array: the statement is parsed and planned in no time, whatever a page holds. Django's own
bulk insert writes a placeholder for every value of every row, which costs more than sealing and storing them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from connect.postgres import binary
from pulls.models import Record, RecordHead

Place = tuple[str, str]
KEY = ("connection_id", "resource_type", "resource_id")
UPDATED = (
    "position", "digest", "body", "size", "version_id", "last_updated", "change", "pull_id", "landed_at",
)  # fmt: skip
ARRAYS = {
    "position": "bigint", "digest": "bytea", "body": "bytea", "size": "integer", "version_id": "text",
    "last_updated": "text", "change": "text", "resource_type": "text", "resource_id": "text",
}  # fmt: skip
SAME = {
    "patient_id": "text",
    "connection_id": "text",
    "source_id": "text",
    "pull_id": "text",
    "landed_at": "timestamptz",
}


class Row(NamedTuple):
    """The columns of a record that differ within a page, in the order of ARRAYS."""

    position: int
    digest: bytes
    body: bytes
    size: int
    version_id: str
    last_updated: str
    change: str
    resource_type: str
    resource_id: str


@dataclass(slots=True)
class Held:
    """What we hold of a resource; `digest` is None where it is marked gone."""

    digest: bytes | None
    position: int


def held(connection_id: str, places: Collection[Place]) -> dict[Place, Held]:
    """What we hold of these resources, `(type, id)`, of a connection; what we do not know is left out."""
    rows = _held_arrays if connection.vendor == "postgresql" else _held_by_type
    return {
        (resource_type, resource_id): Held(None if change == Record.Change.GONE else bytes(digest), position)
        for resource_type, resource_id, digest, change, position in (rows(connection_id, places) if places else ())
    }


def _held_arrays(connection_id: str, places: Collection[Place]) -> list[tuple]:
    types, ids = zip(*places, strict=True)
    return binary.execute(HELD, [list(types), list(ids), connection_id])


def _held_by_type(connection_id: str, places: Collection[Place]) -> list[tuple]:
    by_type: dict[str, list[str]] = {}
    for resource_type, resource_id in places:
        by_type.setdefault(resource_type, []).append(resource_id)
    columns = ("resource_type", "resource_id", "digest", "change", "position")
    return [
        row
        for resource_type, ids in by_type.items()
        for start in range(0, len(ids), 500)
        for row in Record.objects.filter(
            connection_id=connection_id, resource_type=resource_type, resource_id__in=ids[start : start + 500]
        ).values_list(*columns)
    ]


def upsert(rows: list[Row], **same) -> None:
    """Insert these records, or take over the columns of those we have, in the caller's transaction.

    `same` are the columns of SAME: the rows are of one pull. Each is of another resource.
    """
    if connection.vendor == "postgresql":
        binary.execute(UPSERT, [*(same[name] for name in SAME), *map(list, zip(*rows, strict=True))])
    else:
        Record.objects.bulk_create(
            [Record(**same, **row._asdict()) for row in rows], update_conflicts=True, update_fields=UPDATED,
            unique_fields=KEY, batch_size=500,
        )  # fmt: skip


def reserve_positions(patient_id: str, count: int) -> int:
    """The first of `count` positions; the head row stays locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(RESERVE, [patient_id, count])
        return cursor.fetchone()[0] - count + 1


HELD = f"""
SELECT record.resource_type, record.resource_id, record.digest, record.change, record.position
FROM unnest(%b::text[], %b::text[]) AS page (resource_type, resource_id)
JOIN {Record._meta.db_table} AS record
ON record.connection_id = %b AND record.resource_type = page.resource_type AND record.resource_id = page.resource_id
"""  # noqa: S608 - names of our own columns
UPSERT = f"""
INSERT INTO {Record._meta.db_table} ({", ".join([*SAME, *ARRAYS])})
SELECT {", ".join(f"%b::{kind}" for kind in SAME.values())}, {", ".join(ARRAYS)}
FROM unnest({", ".join(f"%b::{kind}[]" for kind in ARRAYS.values())}) AS page ({", ".join(ARRAYS)})
ON CONFLICT ({", ".join(KEY)})
DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in UPDATED)}
"""  # noqa: S608 - names of our own columns
RESERVE = f"""
INSERT INTO {RecordHead._meta.db_table} AS head (patient_id, position) VALUES (%s, %s)
ON CONFLICT (patient_id) DO UPDATE SET position = head.position + EXCLUDED.position
RETURNING position
"""  # noqa: S608 - names of our own columns
