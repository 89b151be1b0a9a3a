"""Readers of published endpoint lists: each takes an open binary file and yields entries, bad entries and warnings."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from portals.directory.addresses import PUBLIC_HTTPS, AddressPolicy
from portals.directory.entries import DirectoryUnreadable, Item
from portals.directory.readers.bundles import read_bundle
from portals.directory.readers.tables import read_csv, read_json


class Format(StrEnum):
    """The shapes in which lists are published."""

    BUNDLE = "bundle"
    CSV = "csv"
    JSON = "json"
    ENDPOINTS = "endpoints"


_SNIFFED_BYTES = 65536


def read(
    file: BinaryIO, *, format: Format | None = None, vendor: str = "", policy: AddressPolicy = PUBLIC_HTTPS
) -> Iterator[Item]:
    """Entries of a list in any known format, gzipped or not; `format` None means: see how it begins.

    The file must be seekable. Raises DirectoryUnreadable when the whole list must be refused.
    """
    if _begins(file, 2) == b"\x1f\x8b":
        file = gzip.GzipFile(fileobj=file)
    readers: dict[Format, Callable[[], Iterator[Item]]] = {
        Format.BUNDLE: lambda: read_bundle(file, vendor=vendor, policy=policy),
        Format.CSV: lambda: read_csv(file, policy=policy),
        Format.JSON: lambda: read_json(file, policy=policy),
        Format.ENDPOINTS: lambda: read_json(file, prefix="Endpoints.item", policy=policy),
    }
    try:
        yield from readers[format or sniff(file)]()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DirectoryUnreadable(f"The compressed file is cut off or damaged: {error}") from error


def read_file(path: Path, **options) -> Iterator[Item]:
    """As `read`, of a file on disk."""
    with path.open("rb") as file:
        yield from read(file, **options)


def sniff(file: BinaryIO) -> Format:
    """The format a list is in, by how it begins; the file stays at its start. Raises DirectoryUnreadable."""
    start = _begins(file, _SNIFFED_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"["):
        return Format.JSON
    if start.startswith(b"{"):
        return Format.ENDPOINTS if b'"Endpoints"' in start else Format.BUNDLE
    if b"," in start.split(b"\n", 1)[0]:
        return Format.CSV
    raise DirectoryUnreadable("Neither a FHIR Bundle, nor JSON, nor CSV with a header.")


def _begins(file: BinaryIO, length: int) -> bytes:
    file.seek(0)
    start = file.read(length)
    file.seek(0)
    return start
