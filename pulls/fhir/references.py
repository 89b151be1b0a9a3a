"""What a resource only refers to: literal references and attachments, normalised against the FHIR base."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

REFERENCE = re.compile(rb'"reference"\s*:\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
ATTACHMENT_HINTS = (b'"contentType"', b'"size"', b'"hash"', b'"title"', b"Binary/")
ATTACHMENT_MARKS = {"contentType", "size", "hash", "title"}
RESOURCE_PATH = re.compile(r"([A-Z][A-Za-z]{1,63})/([^/?#\s]{1,300})(?:/_history/[^/?#]+)?\Z")
BINARY = re.compile(r"(^|/)Binary/[^/]+\Z")
MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Reference:
    """One target. `type` and `id` are empty for what is no resource below the FHIR base.

    `url` is absolute where the base is known. `is_foreign`: at another origin than the base, so it must never be asked
    for with the connection's token. `size` is what an attachment says of itself, in bytes.
    """

    url: str
    type: str = ""
    id: str = ""
    is_foreign: bool = False
    is_attachment: bool = False
    size: int | None = None

    @property
    def target(self) -> str:
        """`Type/id` of a resource of this server, else the URL."""
        return f"{self.type}/{self.id}" if self.type else self.url


def references(raw: bytes, base: str = "") -> list[Reference]:
    """Every distinct literal reference and attachment URL in a resource, but contained (`#x`), logical and `urn:` ones.

    Relative ones and absolute ones below `base` come out alike. Without a base, absolute ones are foreign.
    """
    return references_of_all([raw], base)


def references_of_all(texts: list[bytes], base: str = "") -> list[Reference]:
    """The same of many resources, each target once: they say the same few things, which are then read once."""
    found: dict[str, Reference] = {}
    together = b"\n".join(texts)
    for quoted in dict.fromkeys(REFERENCE.findall(together)):
        if reference := normalise(_text(quoted), base):
            found.setdefault(reference.url, reference)
    for raw in texts if _may_attach(together) else ():
        for url, size in _attachments(raw) if _may_attach(raw) else ():
            if reference := normalise(url, base, is_attachment=True, size=size):
                found[reference.url] = reference
    return list(found.values())


def _may_attach(text: bytes) -> bool:
    return b'"url"' in text and any(hint in text for hint in ATTACHMENT_HINTS)


@lru_cache(maxsize=16_384)  # a patient's resources name the same few hundred things over and over
def normalise(text: str, base: str, *, is_attachment: bool = False, size: int | None = None) -> Reference | None:
    """One reference as written, or None for what nobody can follow."""
    text = text.strip()
    if not text or text.startswith(("#", "urn:", "data:")) or len(text) > MAX_URL or not text.isprintable():
        return None
    root = base.rstrip("/") + "/" if base else ""
    try:
        url = urljoin(root, text)
        is_foreign = bool(urlsplit(url).netloc) and origin_of(url) != origin_of(root)
    except ValueError:
        return None
    if root and urlsplit(url).scheme not in ("http", "https"):
        return None
    below = None if is_foreign or not url.startswith(root) else RESOURCE_PATH.match(url.removeprefix(root))
    if below:
        return Reference(f"{root}{below[1]}/{below[2]}", below[1], below[2], False, is_attachment, size)
    return Reference(url.partition("#")[0], "", "", is_foreign, is_attachment, size)


def origin_of(url: str) -> tuple[str, str, int | None]:
    """(scheme, host, port) with the default port made explicit; raises ValueError for a port that is no number."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _text(quoted: bytes) -> str:
    try:
        return json.loads(quoted)
    except ValueError:
        return ""


def _attachments(raw: bytes) -> Iterator[tuple[str, int | None]]:
    """(url, size in bytes) of every Attachment: an object with a url and a contentType, title, size or hash, or whose url
    is a Binary's."""
    try:
        waiting = [json.loads(raw)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            url, size = value.get("url"), value.get("size")
            is_attachment = value.keys() & ATTACHMENT_MARKS or (isinstance(url, str) and BINARY.search(url))
            if isinstance(url, str) and "data" not in value and is_attachment:
                yield url, size if isinstance(size, int) else None
