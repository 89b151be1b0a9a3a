"""Cutting a stream of chunks into lines, each byte copied once however long a line is."""

from collections.abc import Iterator


class Lines:
    """Feed it chunks; it gives each line when it is whole, without its line end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield b"".join([*self._parts, line])
            self._parts = []
        if rest:
            self._parts.append(rest)

    def rest(self) -> Iterator[bytes]:
        """The last line, where it has no line end."""
        if self._parts:
            yield b"".join(self._parts)
