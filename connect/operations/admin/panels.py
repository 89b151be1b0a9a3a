"""What a page shows below its fields: related rows as tables, and the object's story as a timeline."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

SHOWN = 20


@dataclass(frozen=True)
class Table:
    """A title, columns and rows of cells; `more` leads to the whole list."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence]
    more: str = ""
    empty: str = "Nothing yet."
    note: str = ""

    kind = "table"

    @property
    def data(self) -> dict:
        return {"headers": self.headers, "rows": self.rows}


@dataclass(frozen=True)
class Moment:
    """One line of a story: when, what, how it went, and where to look further."""

    at: datetime
    title: str
    tone: str = ""
    text: object = ""


@dataclass(frozen=True)
class Timeline:
    """An object's story, oldest first."""

    title: str
    moments: Sequence[Moment] = field(default_factory=list)

    kind = "timeline"


@dataclass(frozen=True)
class Advice:
    """What is wrong in plain words, and the next step."""

    text: str
    next_step: str = ""
    tone: str = "warning"

    kind = "advice"


@dataclass(frozen=True)
class Facts:
    """Names and values, side by side."""

    title: str
    facts: Sequence[tuple[str, object]]
    note: str = ""

    kind = "facts"


@dataclass(frozen=True)
class Lines:
    """Sentences, one below the other."""

    title: str
    lines: Sequence[str]
    empty: str = "Nothing."

    kind = "lines"
