"""Writing many records in one statement whose text never changes.

PostgreSQL takes a column as an array: the statement is parsed and planned once, whatever a page holds. Django's own
bulk insert writes a placeholder for every value of every row, which costs more than sealing and storing them.
"""

from django.db import connection

from pulls.models import Record

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


def upsert(records: list[Record]) -> None:
    """Insert these records of one page, or take over the columns of those we have, in the caller's transaction.

    They are of one pull, so patient, connection, source and time are the same for all.
    """
    if connection.vendor == "postgresql":
        _upsert_arrays(records)
    else:
        Record.objects.bulk_create(
            records, update_conflicts=True, update_fields=UPDATED, unique_fields=KEY, batch_size=500
        )


def _upsert_arrays(records: list[Record]) -> None:
    arrays = [[getattr(record, name) for record in records] for name in ARRAYS]
    same = [getattr(records[0], name) for name in SAME]
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [*same, *arrays])


STATEMENT = f"""
INSERT INTO {Record._meta.db_table} ({", ".join([*SAME, *ARRAYS])})
SELECT {", ".join(f"%s::{kind}" for kind in SAME.values())}, {", ".join(ARRAYS)}
FROM unnest({", ".join(f"%s::{kind}[]" for kind in ARRAYS.values())}) AS page ({", ".join(ARRAYS)})
ON CONFLICT ({", ".join(KEY)})
DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in UPDATED)}
"""  # noqa: S608 - names of our own columns
