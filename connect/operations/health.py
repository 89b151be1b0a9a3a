"""Whether this installation can do its work: database, broker, workers, beat."""

from collections.abc import Callable
from dataclasses import dataclass

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from connect.operations import heartbeats

BROKER_TIMEOUT_SECONDS = 2


@dataclass(frozen=True)
class Finding:
    """What one check found; `problem` is empty when all is well."""

    check: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


def findings() -> list[Finding]:
    """Every check, in the order in which one thing depends on another."""
    database = check_database()
    if not database.ok:
        return [database, check_broker()]
    return [database, check_migrations(), check_broker(), *check_heartbeats()]


def check_database() -> Finding:
    return Finding("database", _problem(_ask_database, DatabaseError))


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Finding("migrations", f"{len(missing)} are not applied" if missing else "")


def check_broker() -> Finding:
    return Finding("broker", _problem(_ask_broker, OperationalError, OSError))


def check_heartbeats() -> list[Finding]:
    """Beat, and a worker for every queue, have been seen within the last minute."""
    seconds = int(heartbeats.SILENT_AFTER.total_seconds())
    return [
        Finding("beat" if sign.part == heartbeats.BEAT else f"worker:{sign.name}",
                "" if sign.is_alive else f"not seen for {seconds} s")
        for sign in heartbeats.signs()
    ]  # fmt: skip


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_broker() -> None:
    with current_app.connection_for_write(connect_timeout=BROKER_TIMEOUT_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)


def _problem(ask: Callable[[], None], *expected: type[Exception]) -> str:
    """Empty, or the kind of error: its text may hold addresses and passwords."""
    try:
        ask()
    except expected as error:
        return type(error).__name__
    return ""
