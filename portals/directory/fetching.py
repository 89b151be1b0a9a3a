"""Download a published list to a temporary file, unless it is still the one that was imported last (brand-etag)."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from connect import outbound

# The largest list published today is Epic's, of about 95 MB.
POLICY = outbound.Policy("directory", 10, 60, 900, 512 * 1024 * 1024, redirects=3, cross_origin_redirects=True)


class FetchFailed(Exception):
    """The list could not be had; the message is for operators."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list on disk, with what tells it from its next version."""

    file: BinaryIO
    etag: str
    sha256: str


@contextmanager
def fetched(url: str, *, etag: str = "") -> Iterator[Fetched | None]:
    """The list at `url` as an open temporary file, or None when the server says that `etag` is still current.

    Raises FetchFailed for an answer that is no list; outbound.OutboundError when there is no answer.
    """
    headers = {"Accept": "application/fhir+json, application/json, text/csv"} | (
        {"If-None-Match": etag} if etag else {}
    )
    with outbound.stream("GET", url, headers=headers, policy=POLICY, route="/directory") as answer:
        if answer.status == 304:
            yield None
            return
        if answer.status != 200:
            raise FetchFailed(f"The list's server answered {answer.status}.")
        with tempfile.TemporaryFile() as file:
            sha256 = _saved(answer.chunks, file)
            yield Fetched(file, answer.headers.get("ETag", "")[:200], sha256)


def digest(file: BinaryIO) -> str:
    """The SHA-256 of a whole file, which is left at its start."""
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return found


def _saved(chunks: Iterator[bytes], file: BinaryIO) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
        file.write(chunk)
    file.seek(0)
    return found.hexdigest()
