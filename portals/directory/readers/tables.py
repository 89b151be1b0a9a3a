"""Plain lists: CSV with a header, a JSON array of objects, or an object holding one (`{"Endpoints": [...]}`)."""

import csv
from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO

import ijson

from portals.directory.addresses import PUBLIC_HTTPS, AddressPolicy
from portals.directory.entries import BadEntry, DirectoryUnreadable, Item
from portals.directory.readers.rows import NAME, URL, entry_of, read_rows

MAX_FIELD = 100_000


def read_csv(file: BinaryIO, *, policy: AddressPolicy = PUBLIC_HTTPS) -> Iterator[Item]:
    """Entries of a CSV file in UTF-8 with a header line; columns by any of the names in `rows`.

    A row of too few or too many cells is bad, the rest is read. Raises DirectoryUnreadable when the header names no
    organisation or no URL, or when the file ends inside a quoted cell or is not UTF-8.
    """
    csv.field_size_limit(MAX_FIELD)
    lines = csv.reader(TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    try:
        header = [column.strip().lower() for column in next(lines, [])]
        if not set(header) & set(NAME) or not set(header) & set(URL):
            raise DirectoryUnreadable("The first line must name columns, among them the name and the FHIR base URL.")
        for cells in lines:
            if cells:
                yield _entry(header, cells, f"line {lines.line_num}", policy)
    except (csv.Error, UnicodeDecodeError, EOFError) as error:
        raise DirectoryUnreadable(f"Not a whole CSV file: {error}") from error


def _entry(header: list[str], cells: list[str], place: str, policy: AddressPolicy) -> Item:
    if len(cells) != len(header):
        return BadEntry(place, "wrong_number_of_cells", f"{len(cells)} instead of {len(header)}")
    return entry_of(dict(zip(header, cells, strict=True)), place=place, policy=policy)


def read_json(file: BinaryIO, *, prefix: str = "item", policy: AddressPolicy = PUBLIC_HTTPS) -> Iterator[Item]:
    """Entries of a JSON array, streamed. `prefix` is where it stands in ijson's words: `item`, `Endpoints.item`.

    Raises DirectoryUnreadable when the JSON is broken or cut off.
    """
    rows = (row if isinstance(row, dict) else {} for row in whole_json(file, prefix))
    yield from read_rows(rows, policy=policy, place=lambda position: f"{prefix.removesuffix('item')}[{position}]")


def whole_json(file: BinaryIO, prefix: str) -> Iterator[object]:
    """Items under `prefix`; a file that ends too early is refused, however much of it could be read."""
    try:
        yield from ijson.items(file, prefix, use_float=True)
    except (ijson.JSONError, EOFError, UnicodeDecodeError) as error:
        raise DirectoryUnreadable(f"Not a whole JSON file: {error}") from error
