"""A scanner of JSON text: where members and elements begin and end. It builds nothing, recurses nowhere.

It is the slow path's tool: msgspec reads a page at once or not at all, and one odd resource must not cost the others.
"""

import json
import re
from collections.abc import Iterator

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]', re.DOTALL)
OPENING, CLOSING, QUOTE, COLON, COMMA = b"{[", b"}]", ord('"'), ord(":"), ord(",")
WHITESPACE = b" \t\r\n"


class Malformed(ValueError):
    """The text is not a JSON object (or array), or ends before it does."""


def members(text: bytes) -> Iterator[tuple[str, int, int]]:
    """(key, start, end) of every member's value of the object that `text` is; raises Malformed."""
    key, start = b"", None
    for token, depth, at, end in _tokens(text, b"{"):
        if token == QUOTE and depth == 1 and start is None:
            key = text[at:end]
        elif token == COLON and depth == 1 and start is None:
            start = end
        elif (token == COMMA and depth == 1) or depth == 0:
            if start is not None:
                yield _key(key), *_trimmed(text, start, at)
            start = None


def elements(text: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of every element of the array that `text` is; raises Malformed."""
    start = None
    for token, depth, at, end in _tokens(text, b"["):
        if start is None:
            start = end
        elif (token == COMMA and depth == 1) or depth == 0:
            first, last = _trimmed(text, start, at)
            if last > first:
                yield first, last
            start = end


def _tokens(text: bytes, opening: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(character, depth after it, start, end) until the value that begins here is closed."""
    if not text.lstrip(WHITESPACE).startswith(opening):
        raise Malformed("another kind of value")
    depth = 0
    for match in TOKEN.finditer(text):
        token = text[match.start()]
        if token in OPENING:
            depth += 1
        elif token in CLOSING:
            depth -= 1
        yield token, depth, match.start(), match.end()
        if depth == 0:
            return
    raise Malformed("it ends too early")


def _key(quoted: bytes) -> str:
    try:
        return json.loads(quoted)
    except ValueError:
        raise Malformed("a key that is no string") from None


def _trimmed(text: bytes, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in WHITESPACE:
        start += 1
    while end > start and text[end - 1] in WHITESPACE:
        end -= 1
    return start, end
