"""Playing a client's recorded requests against another server: other base URL, other key, nothing else.

A cassette is a list of steps: a request with the answer it got, or a point where the client waited for the patient or
for a webhook. An answer is compared by shape, and knows nothing of fields that came later: they may be there.

    "$string" "$string?" "$int" "$bool" "$url" "$instant" "$instant?" "$object" "$any"    a value of this kind (?: or null)
    "$id:pf_"            an id with this prefix
    "$id:pf_ => flow"    … which later steps write as {flow}
    ["$each", shape]     a list of at least one, each of this shape
    anything else        this very value
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

KINDS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str) and value != "",
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "url": lambda value: isinstance(value, str) and re.match(r"https?://\S+\Z", value) is not None,
    "instant": lambda value: (
        isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z", value) is not None
    ),
    "object": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}


class Mismatch(AssertionError):
    """The answer is not what the client has always got; the message says where."""


@dataclass
class Player:
    """Plays steps; `names` is what was captured, and what the test knows before."""

    base_url: str
    key: str
    names: dict[str, str] = field(default_factory=dict)

    def send(self, step: dict) -> None:
        """Send the step's request and compare the answer."""
        wanted = self.filled(step["request"])
        headers = {"Authorization": f"Bearer {self.key}"} | wanted.get("headers", {})
        answer = requests.request(
            wanted["method"], self.base_url + wanted["path"], params=wanted.get("query"), json=wanted.get("body"),
            headers={name: value for name, value in headers.items() if value}, timeout=30,
        )  # fmt: skip
        where = f"{wanted['method']} {wanted['path']}"
        if answer.status_code != step["answer"]["status"]:
            raise Mismatch(f"{where}: {answer.status_code} {answer.text[:300]}")
        self.compare(step["answer"]["body"], answer.json(), where)

    def filled(self, value):
        """The value with {names} in their places."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if isinstance(value, str):
            return re.sub(r"\{(\w+)\}", lambda match: self.names[match[1]], value)
        return value

    def compare(self, shape, value, where: str) -> None:
        """Raise Mismatch unless the value has this shape; remember what it captures."""
        if isinstance(shape, dict):
            self._compare_object(shape, value, where)
        elif isinstance(shape, list):
            self._compare_list(shape, value, where)
        elif isinstance(shape, str) and shape.startswith("$"):
            kind, _, name = shape[1:].partition(" => ")
            if not _is_of_kind(kind, value):
                raise Mismatch(f"{where}: {json.dumps(value)[:200]} is no {kind}")
            if name:
                self.names[name] = value
        elif value != self.filled(shape):
            raise Mismatch(f"{where}: {json.dumps(value)[:200]} is not {json.dumps(self.filled(shape))}")

    def _compare_object(self, shape: dict, value, where: str) -> None:
        if not isinstance(value, dict):
            raise Mismatch(f"{where}: {json.dumps(value)[:200]} is no object")
        for name, inner in shape.items():
            if name not in value:
                raise Mismatch(f"{where}.{name} is missing")
            self.compare(inner, value[name], f"{where}.{name}")

    def _compare_list(self, shape: list, value, where: str) -> None:
        each = shape[:1] == ["$each"]
        if not isinstance(value, list) or (each and not value) or (not each and len(value) != len(shape)):
            raise Mismatch(f"{where}: {json.dumps(value)[:200]} is another list")
        for index, item in enumerate(value):
            self.compare(shape[1] if each else shape[index], item, f"{where}[{index}]")


def _is_of_kind(kind: str, value) -> bool:
    if kind.endswith("?"):
        return value is None or _is_of_kind(kind[:-1], value)
    if kind.startswith("id:"):
        return isinstance(value, str) and re.match(rf"{kind[3:]}\w+\Z", value) is not None
    return KINDS[kind](value)


def steps_of(name: str) -> list[dict]:
    """A cassette's steps."""
    return json.loads((Path(__file__).parent / "cassettes" / f"{name}.json").read_text())["steps"]
