"""The log as a file: CSV for spreadsheets, JSON for machines; streamed, oldest first."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

from connect.audit.chain import facts
from connect.audit.models import Entry

COLUMNS = (
    "position", "at", "action", "actor_kind", "actor", "address", "organization_id", "environment", "object_type",
    "object_id", "request_id", "detail", "previous_hash", "hash", "id",
)  # fmt: skip
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_json(entries: Iterable[Entry]) -> Iterator[str]:
    """A JSON array, an entry a line."""
    separator = "[\n"
    for entry in entries:
        yield separator + json.dumps(_told(entry), ensure_ascii=False)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """CSV with a header line. A cell that a spreadsheet would take for a formula is quoted with an apostrophe."""
    yield _line(COLUMNS)
    for entry in entries:
        told = _told(entry)
        yield _line(_cell(told[name]) for name in COLUMNS)


FORMATS = {"csv": as_csv, "json": as_json}


def _told(entry: Entry) -> dict:
    chained = {"position": entry.position, "previous_hash": entry.previous_hash, "hash": entry.hash}
    return facts(entry) | chained


def _cell(value) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else str(value)
    return f"'{text}" if text.startswith(STARTS_A_FORMULA) else text


def _line(cells) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
