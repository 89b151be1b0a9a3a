"""What was asked of the database while something ran, and how PostgreSQL answers it."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Asked:
    """One statement with its parameters and how long it took."""

    sql: str
    parameters: tuple
    ms: float


@dataclass
class Queries:
    """Everything that was asked, and how long the whole took."""

    found: list[Asked] = field(default_factory=list)
    total_ms: float = 0.0


@contextmanager
def asked(connection) -> Iterator[Queries]:
    """Collect the statements of this block."""
    queries = Queries()

    def note(execute, sql, parameters, many, context):
        started = time.perf_counter()
        try:
            return execute(sql, parameters, many, context)
        finally:
            queries.found.append(Asked(sql, parameters, (time.perf_counter() - started) * 1000))

    started = time.perf_counter()
    with connection.execute_wrapper(note):
        yield queries
    queries.total_ms = (time.perf_counter() - started) * 1000


def plan(cursor, query: Asked, *options: str) -> dict:
    """The plan of a statement as JSON."""
    cursor.execute(f"EXPLAIN ({', '.join((*options, 'FORMAT JSON'))}) {query.sql}", query.parameters)
    [(found,)] = cursor.fetchall()
    return (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]


def walked_tables(connection, query: Asked, *, at_least: int) -> Iterator[str]:
    """Tables of so many rows that the statement's plan reads whole."""
    if not query.sql.startswith("SELECT"):
        return
    with connection.cursor() as cursor:
        for table in _scanned(plan(cursor, query)):
            cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [table])
            [(rows,)] = cursor.fetchall()
            if rows >= at_least:
                yield table


def _scanned(node: dict) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for part in node.get("Plans", []):
        yield from _scanned(part)
