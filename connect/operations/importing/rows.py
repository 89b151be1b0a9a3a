"""Reading a CSV file row by row, and telling what became of each row without repeating what stood in it."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from rest_framework.exceptions import ValidationError

from connect.error_answers import first_fault

MAX_CELL = 64 * 1024


class FileUnreadable(Exception):
    """The file is not the CSV that was asked for; the message says why."""


class RowRefused(Exception):
    """A row cannot be taken; the message says why, and holds nothing that stood in the file."""


@dataclass(frozen=True)
class Row:
    """A line of the file (the header is line 1) with what its columns say; empty cells are left out."""

    line: int
    cells: dict[str, str]
    has_surplus: bool = False


@dataclass
class Report:
    """How many rows came out how, and which were left out for which reason."""

    counts: Counter = field(default_factory=Counter)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def note(self, row: Row, take: Callable[[Row], str]) -> None:
        """Take a row; what cannot be taken is noted and ends nothing."""
        try:
            if row.has_surplus:
                raise RowRefused("More cells than the header has: a comma without quotes?")
            self.counts[take(row)] += 1
        except ValidationError as error:
            message, column = first_fault(error.detail)
            self.refuse(row, f"{column}: {message}")
        except RowRefused as error:
            self.refuse(row, str(error))

    def refuse(self, row: Row, reason: str) -> None:
        self.refused.append((row.line, reason))


def read_rows(file: TextIO, *, required: set[str], known: set[str]) -> Iterator[Row]:
    """The file's rows. Raises FileUnreadable for a missing or unknown column, and for what is no CSV."""
    csv.field_size_limit(MAX_CELL)
    lines = csv.DictReader(file, strict=True)
    try:
        columns = set(lines.fieldnames or ())
        if missing := required - columns:
            raise FileUnreadable(f"Columns missing: {', '.join(sorted(missing))}")
        if unknown := columns - known:
            raise FileUnreadable(f"Columns unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        for cells in lines:
            surplus = cells.pop(None, None)
            yield Row(lines.line_num, {name: value for name, value in cells.items() if value}, surplus is not None)
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileUnreadable(f"No UTF-8 CSV at line {lines.line_num + 1}: {type(error).__name__}") from error
