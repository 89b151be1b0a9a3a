"""Many rows by the database itself: INSERT … SELECT from generate_series, with what a model has for defaults.

Expressions are SQL over the row's number `i`, from 0. Ids sort by time as the product's do.
"""

import json
import sys
import time

from django.db import connection, models
from django.utils import timezone

SPAN_MS = 31 * 24 * 3600 * 1000
UNTIL_MS = round(time.time() * 1000)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _milliseconds(count: int, n: str) -> str:
    return f"({UNTIL_MS - SPAN_MS} + (2 * ({n}) + 1) * {SPAN_MS} / {2 * count})"


def spread(count: int, n: str = "i") -> str:
    """The time of the `n`-th of `count` rows that are spread evenly over the last 31 days, the oldest first."""
    return f"to_timestamp({_milliseconds(count, n)} / 1000.0)"


def ulid(prefix: str, count: int, n: str = "i") -> str:
    """The id of the `n`-th of `count` rows made so: ten characters of milliseconds, as a ULID has them, then the row's
    number (digits are letters of its alphabet)."""
    milliseconds = _milliseconds(count, n)
    letters = " || ".join(
        f"substr('{ALPHABET}', (({milliseconds} >> {place}) & 31)::int + 1, 1)" for place in range(45, -1, -5)
    )
    return f"('{prefix}_' || {letters} || lpad(({n})::text, 16, '0'))"


def fill(model: type[models.Model], count: int, **expressions: str) -> None:
    """Insert `count` rows. Columns that are not named get their default; nullable ones stay empty."""
    columns = {field.column: _default(field) for field in model._meta.concrete_fields if not _is_given(field)}
    columns |= expressions
    print(f"  {count:,} of {model._meta.verbose_name_plural}", file=sys.stderr, flush=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(map(connection.ops.quote_name, columns))}) "
            f"SELECT {', '.join(columns.values())} FROM generate_series(0::bigint, {count - 1}) AS i"
        )


def _is_given(field) -> bool:
    """By the database."""
    return isinstance(field, (models.AutoField, models.BigAutoField))


def _default(field) -> str:
    if isinstance(field, models.BinaryField):
        return "NULL" if field.null else "'\\x00'"
    if field.default is timezone.now:
        return "now()"
    if field.has_default():
        return _literal(field.get_default(), field)
    return "NULL" if field.null else "''"


def _literal(value, field) -> str:
    if isinstance(field, models.JSONField):
        return f"'{json.dumps(value)}'::jsonb"
    if isinstance(value, bool):
        return str(value).lower()
    return "NULL" if value is None else str(value) if isinstance(value, (int, float)) else f"'{value}'"


class WithoutIndexes:
    """Indexes of these tables that no constraint needs are made once, after the rows, and triggers are left out."""

    def __init__(self, *kinds: type[models.Model]):
        self.tables = [kind._meta.db_table for kind in kinds]

    def __enter__(self):
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("SET maintenance_work_mem = '512MB'")
            cursor.execute("SET synchronous_commit = off")
            cursor.execute(
                "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
                "WHERE indrelid = ANY (%s::regclass[]) AND NOT EXISTS "
                "(SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)", [self.tables],
            )  # fmt: skip
            self.indexes = cursor.fetchall()
            for name, _ in self.indexes:
                cursor.execute(f"DROP INDEX {name}")
        return self

    def __exit__(self, *problem):
        with connection.cursor() as cursor:
            for _, definition in self.indexes:
                cursor.execute(definition)
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("RESET statement_timeout")
