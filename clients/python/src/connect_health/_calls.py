"""A call as a value: what is asked, and the type of its answer. Built without any network; sent by a transport."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from msgspec import UNSET

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """`answer` is the type the answer's JSON is read as."""

    method: str
    path: str
    answer: type[T]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None

    def at(self, cursor: str) -> "Call[T]":
        """The same list from a cursor on."""
        return replace(self, query={**self.query, "starting_after": cursor})


def path(template: str, **ids: str) -> str:
    """A path with ids in their places; they may hold any character."""
    return template.format(**{name: quote(value, safe="") for name, value in ids.items()})


def query(**values: Any) -> dict[str, str]:
    """Query parameters as the API reads them; what is None is left out."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def given(**values: Any) -> dict[str, Any]:
    """The fields of a body that were given. UNSET is not given; None is, and clears the field."""
    return {name: _json(value) for name, value in values.items() if value is not UNSET}


def filled(**values: Any) -> dict[str, Any]:
    """The fields of a body that are not None."""
    return {name: _json(value) for name, value in values.items() if value is not None}


def instant(moment: datetime) -> str:
    """ISO 8601 UTC with milliseconds. Raises ValueError for a time without a zone: nobody could say when that is."""
    if moment.tzinfo is None:
        raise ValueError("A time needs a time zone, such as datetime.now(UTC)")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


def _json(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value
