"""TrialFinder's own database: one SQLite file, a connection a call, so that any thread may use it."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS visitors (visitor TEXT PRIMARY KEY, patient_id TEXT NOT NULL, flow_id TEXT);
CREATE TABLE IF NOT EXISTS calls (
  number INTEGER PRIMARY KEY, visitor TEXT NOT NULL, key TEXT NOT NULL, at TEXT NOT NULL, times INTEGER NOT NULL,
  method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL, sent TEXT NOT NULL, received TEXT NOT NULL,
  UNIQUE (visitor, key));
CREATE TABLE IF NOT EXISTS events (
  id TEXT PRIMARY KEY, patient_id TEXT, type TEXT NOT NULL, at TEXT NOT NULL, times INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  patient_id TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL, date TEXT NOT NULL,
  number INTEGER NOT NULL, PRIMARY KEY (patient_id, key));
CREATE TABLE IF NOT EXISTS marks (patient_id TEXT PRIMARY KEY, cursor TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_patient ON events (patient_id);
"""
CALLS_SHOWN = 40


class Store:
    """Everything TrialFinder remembers."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "trialfinder.sqlite3"
        with self._open() as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=10)
        database.row_factory = sqlite3.Row
        try:
            with database:
                yield database
        finally:
            database.close()

    def _rows(self, sql: str, *values) -> list[dict]:
        with self._open() as database:
            return [dict(row) for row in database.execute(sql, values)]

    def _write(self, sql: str, *values) -> None:
        with self._open() as database:
            database.execute(sql, values)

    # Visitors -------------------------------------------------------------------------------------
    def visitor(self, visitor: str) -> dict | None:
        """`visitor`, `patient_id` and `flow_id` (None before the first flow) of a browser we know."""
        return next(iter(self._rows("SELECT * FROM visitors WHERE visitor = ?", visitor)), None)

    def add_visitor(self, visitor: str, patient_id: str) -> None:
        self._write("INSERT OR IGNORE INTO visitors VALUES (?, ?, NULL)", visitor, patient_id)

    def remember_flow(self, visitor: str, flow_id: str) -> None:
        self._write("UPDATE visitors SET flow_id = ? WHERE visitor = ?", flow_id, visitor)

    def start_over(self, visitor: str, patient_id: str) -> None:
        """Forget the visitor's patient, and give the visitor a new one."""
        with self._open() as database:
            (old,) = database.execute("SELECT patient_id FROM visitors WHERE visitor = ?", (visitor,)).fetchone()
            for table in ("records", "marks", "events"):
                database.execute(f"DELETE FROM {table} WHERE patient_id = ?", (old,))  # noqa: S608 - our own words
            database.execute("DELETE FROM calls WHERE visitor = ?", (visitor,))
            database.execute(
                "UPDATE visitors SET patient_id = ?, flow_id = NULL WHERE visitor = ?", (patient_id, visitor)
            )

    # Calls ----------------------------------------------------------------------------------------
    def add_call(
        self, visitor: str, *, key: str, method: str, path: str, status: int, sent: str, received: str
    ) -> None:
        """A call made for this visitor. One of the same `key` takes the place of the one before: that is polling."""
        self._write(
            "INSERT INTO calls (visitor, key, at, times, method, path, status, sent, received) "
            "VALUES (?, ?, strftime('%H:%M:%S', 'now'), 1, ?, ?, ?, ?, ?) ON CONFLICT (visitor, key) DO UPDATE SET "
            "at = excluded.at, times = times + 1, status = excluded.status, received = excluded.received",
            visitor, key, method, path, status, sent, received,
        )  # fmt: skip

    def calls(self, visitor: str) -> list[dict]:
        """The visitor's calls, newest first."""
        return self._rows("SELECT * FROM calls WHERE visitor = ? ORDER BY number DESC LIMIT ?", visitor, CALLS_SHOWN)

    # Events ---------------------------------------------------------------------------------------
    def add_event(self, event: dict) -> None:
        """A verified event. One that comes twice is the same event: its id says so."""
        self._write(
            "INSERT INTO events VALUES (?, ?, ?, strftime('%H:%M:%S', 'now'), 1, ?) "
            "ON CONFLICT (id) DO UPDATE SET times = times + 1",
            event["id"], patient_of(event), event["type"], json.dumps(event, indent=2),
        )  # fmt: skip

    def events(self, patient_id: str) -> list[dict]:
        """The patient's events, newest first."""
        return self._rows("SELECT * FROM events WHERE patient_id = ? ORDER BY id DESC", patient_id)

    # Records --------------------------------------------------------------------------------------
    def cursor(self, patient_id: str) -> str | None:
        """Where reading this patient's records goes on."""
        found = self._rows("SELECT cursor FROM marks WHERE patient_id = ?", patient_id)
        return found[0]["cursor"] if found else None

    def add_records(self, patient_id: str, records: list[dict], cursor: str | None) -> None:
        """A page of records and the place after it, together: what was read once is not read again."""
        with self._open() as database:
            (number,) = database.execute("SELECT COALESCE(MAX(number), 0) FROM records").fetchone()
            database.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (patient_id, record["key"], record["type"], record["title"], record["date"], number + position)
                    for position, record in enumerate(records, 1)
                ],
            )
            if cursor:
                database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (patient_id, cursor))

    def counts(self, patient_id: str) -> list[dict]:
        """`type` and `number` of records, most first."""
        return self._rows(
            "SELECT type, COUNT(*) AS number FROM records WHERE patient_id = ? GROUP BY type ORDER BY number DESC, type",
            patient_id,
        )

    def latest(self, patient_id: str, limit: int = 6) -> list[dict]:
        return self._rows("SELECT * FROM records WHERE patient_id = ? ORDER BY number DESC LIMIT ?", patient_id, limit)

    def titles(self, patient_id: str, types: tuple[str, ...]) -> list[str]:
        """What the patient's records of these types are called."""
        marks = ",".join("?" * len(types))
        sql = f"SELECT DISTINCT title FROM records WHERE patient_id = ? AND type IN ({marks}) ORDER BY title"  # noqa: S608
        return [row["title"] for row in self._rows(sql, patient_id, *types)]


def patient_of(event: dict) -> str | None:
    """Whom an event is about: it says so itself, or its object does."""
    return event.get("patient_id") or event.get("data", {}).get("object", {}).get("patient_id")
