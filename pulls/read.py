"""Reading records (contract 5): pages in the order in which versions landed, cursors both ways, streams."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import models

from connect.organizations.models import Patient
from connect.pagination import issue_cursor, read_cursor
from connect.statements import Given, Select
from pulls.fhir.identifiers import with_patient_identifier
from pulls.models import Record
from pulls.records import data_key, open_body

# How far the stream looks ahead, and how much of it it holds at once.
LOOK_AHEAD = 2000
BATCH_ROWS = 500
BATCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Selection:
    """Which records: FHIR types, one source, and only what landed after an instant."""

    types: tuple[str, ...] = ()
    source: str | None = None
    since: object = None
    changes: bool = False

    @property
    def filters(self) -> dict:
        """What a cursor is bound to."""
        return {
            "types": ",".join(self.types) or None,
            "source": self.source,
            "since": self.since,
            "changes": self.changes or None,
        }


class StoredRecord(NamedTuple):
    """What reading needs of a Record; making model instances would cost more than opening the bodies."""

    position: int
    patient_id: str
    connection_id: str
    source_id: str
    resource_type: str
    resource_id: str
    body: bytes
    change: str
    landed_at: datetime
    pull_id: str


@dataclass(frozen=True)
class RecordPage:
    """A page of records with the cursors to what comes after and before it."""

    records: list["StoredRecord"]
    has_more: bool
    next_cursor: str | None
    previous_cursor: str | None


def select(patient_pk: str | Given, selection: Selection) -> models.QuerySet:
    """The patient's records in landing order. Gone ones show only where changes are asked for."""
    records = Record.objects.filter(patient=patient_pk).order_by("position")
    if selection.types:
        records = records.filter(resource_type__in=selection.types)
    if selection.source:
        records = records.filter(source_id=selection.source)
    if selection.since:
        records = records.filter(landed_at__gt=selection.since)
    if not selection.changes:
        records = records.exclude(change=Record.Change.GONE)
    return records


SOURCE, SINCE = Given("source"), Given("since", models.DateTimeField())
POSITION, LAST = Given("position", models.BigIntegerField()), Given("last", models.BigIntegerField())
PLACES = {
    "after": lambda records: records.filter(position__gt=POSITION),
    "before": lambda records: records.filter(position__lt=POSITION).order_by("-position"),
    "between": lambda records: records.filter(position__gt=POSITION, position__lte=LAST),
}


@functools.cache
def _type(number: int) -> Given:
    return Given(f"type_{number}")


@functools.lru_cache(maxsize=256)
def _statement(shape: Selection, place: str, columns: tuple[str, ...], limit: int | None) -> Select:
    return Select(lambda: PLACES[place](select(Given("patient"), shape)).values_list(*columns)[:limit])


class _Reading:
    """One patient's records of one selection, in statements that are kept for all selections of its shape."""

    def __init__(self, patient: Patient, selection: Selection):
        named = {f"type_{number}": name for number, name in enumerate(selection.types)}
        self.given = {**named, "patient": patient.pk, "source": selection.source, "since": selection.since}
        self.shape = Selection(
            tuple(_type(number) for number in range(len(named))), selection.source and SOURCE,
            selection.since and SINCE, selection.changes,
        )  # fmt: skip

    def rows(self, place: str, *, limit: int | None = None, **given) -> list[StoredRecord]:
        found = _statement(self.shape, place, StoredRecord._fields, limit).rows(**self.given, **given)
        return [StoredRecord._make(row) for row in found]

    def sizes_after(self, position: int) -> list[tuple[int, int]]:
        statement = _statement(self.shape, "after", ("position", "size"), LOOK_AHEAD)
        return statement.rows(**self.given, position=position)


def read_page(
    patient: Patient, selection: Selection, *, count: int, starting_after: str | None, ending_before: str | None
) -> RecordPage:
    """One page, oldest landing first."""
    filters = selection.filters | {"patient": patient.pk}
    reading = _Reading(patient, selection)
    if ending_before:
        position = read_cursor(ending_before, filters, param="ending_before")
        rows = reading.rows("before", limit=count + 1, position=position)
        return _page(rows[:count][::-1], filters, has_more=True, has_previous=len(rows) > count)
    position = read_cursor(starting_after, filters) if starting_after else 0
    rows = reading.rows("after", limit=count + 1, position=position)
    return _page(rows[:count], filters, has_more=len(rows) > count, has_previous=position > 0)


def _page(rows: list[StoredRecord], filters: dict, *, has_more: bool, has_previous: bool) -> RecordPage:
    """The next cursor is given with every page that holds something, the last one too: a consumer that keeps its last
    cursor comes back with it for what has landed since. An empty page has none, so that paging until null ends."""
    if not rows:
        return RecordPage([], False, None, None)
    return RecordPage(
        rows,
        has_more,
        issue_cursor(rows[-1].position, filters),
        issue_cursor(rows[0].position, filters) if has_previous else None,
    )


def body_of(patient: Patient, record: StoredRecord, key: bytes | None = None) -> bytes:
    """The resource's JSON as the portal sent it; a Patient gains the integrator's identifier (contract 5)."""
    raw = open_body(key or data_key(patient), record)
    return with_patient_identifier(raw, patient.patient_id) if record.resource_type == "Patient" else raw


def stream(patient: Patient, selection: Selection) -> Iterator[bytes]:
    """NDJSON lines of everything selected: constant memory however much there is."""
    key = data_key(patient)
    for batch in walk(patient, selection):
        yield b"".join(_line(body_of(patient, record, key)) for record in batch)


def walk(patient: Patient, selection: Selection, *, after: int = 0) -> Iterator[list[StoredRecord]]:
    """Everything selected that landed after position `after`, in batches of some MiB at most: documents are large."""
    reading = _Reading(patient, selection)
    while sizes := reading.sizes_after(after):
        for last in _ends_of_batches(sizes):
            yield reading.rows("between", position=after, last=last)
            after = last


def _ends_of_batches(sizes: list[tuple[int, int]]) -> Iterator[int]:
    """The last position of each batch, for (position, size) in order."""
    rows = held = 0
    for index, (position, size) in enumerate(sizes):
        rows, held = rows + 1, held + size
        is_last = index + 1 == len(sizes)
        if is_last or rows == BATCH_ROWS or held + sizes[index + 1][1] > BATCH_BYTES:
            yield position
            rows = held = 0


def _line(raw: bytes) -> bytes:
    """One line: line breaks between JSON tokens mean nothing (inside strings JSON has none)."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
