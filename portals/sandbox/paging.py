"""Pages of a search: where one is, and the opaque links between them. The same page has the same address each time."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from portals.sandbox.outcomes import Refusal

DEFAULT_COUNT = 50
MAX_COUNT = 250


@dataclass(frozen=True, slots=True)
class Page:
    """A place in a search: its parameters, the first result's position, and how many results a page has."""

    pairs: tuple[tuple[str, str], ...]
    offset: int
    count: int

    @property
    def number(self) -> int:
        """1 for the first."""
        return self.offset // self.count + 1 if self.count else 1

    def get(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def at(self, offset: int) -> "Page":
        return Page(self.pairs, offset, self.count)

    def address(self, path: str) -> str:
        """The page's own URL, for a link."""
        packed = f"{self.offset}.{self.count}.{urlencode(self.pairs)}".encode()
        return f"{path}?_page={base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def read_page(pairs: list[tuple[str, str]]) -> Page:
    """The page a request asks for. Raises Refusal 400 when its parameters cannot be read."""
    packed = next((value for name, value in pairs if name == "_page"), None)
    if packed is not None:
        return _unpacked(packed)
    asked = next((value for name, value in pairs if name == "_count"), str(DEFAULT_COUNT))
    if not asked.isdecimal():
        raise Refusal(400, "invalid", f"_count: {asked} is not a number.")
    kept = tuple((name, value) for name, value in pairs if name != "_count")
    return Page(kept, 0, min(int(asked), MAX_COUNT))


def _unpacked(packed: str) -> Page:
    try:
        text = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        offset, count, query = text.split(".", 2)
        page = Page(tuple(parse_qsl(query, keep_blank_values=True)), int(offset), int(count))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Refusal(400, "invalid", "This page link is damaged.") from None
    if page.offset < 0 or not 1 <= page.count <= MAX_COUNT:
        raise Refusal(400, "invalid", "This page link is damaged.")
    return page
