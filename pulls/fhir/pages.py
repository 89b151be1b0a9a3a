"""Reading a searchset page: entries as raw bytes with their heads, links, outcomes, and what could not be read."""

from collections.abc import Container
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

import msgspec

from pulls.fhir import scan
from pulls.fhir.heads import Head, Unreadable, read_head
from pulls.fhir.outcomes import Issue, read_outcome

BOM = b"\xef\xbb\xbf"
# An entry without a resource (a deletion, a bare link) says nothing we keep.
NO_RESOURCE = (b"", b"null")


class NotFhir(ValueError):
    """The body is no FHIR JSON. `reason`: not_json (HTML, cut short), not_fhir (JSON of another kind)."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource: its head, its text as sent but for line breaks, that text's digest; `mode` is match or include."""

    head: Head
    raw: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    mode: str = "match"


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry that cannot be filed: its place in the page, why, and its text."""

    place: int
    reason: str
    raw: bytes = field(repr=False)


@dataclass(slots=True)
class Page:
    """What one answer holds. `kind`: bundle, outcome (a bare OperationOutcome) or resource.

    `contents` is a digest of all its resources' texts in their order, empty where the page had to be read piece by piece.
    Where the caller knew these contents, `unread` has each text with its place and mode, until `read_entries`.
    """

    kind: str = "bundle"
    contents: bytes = b""
    unread: list[tuple[int, bytes, str]] = field(default_factory=list, repr=False)
    total: int | None = None
    next_url: str | None = None
    self_url: str | None = None
    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Issue] = field(default_factory=list)
    unreadable: list[Damaged] = field(default_factory=list)

    @property
    def matches(self) -> int:
        modes = [mode for _, _, mode in self.unread] + [entry.mode for entry in self.entries]
        return sum(mode != "include" for mode in modes)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no resource that can be filed, as far as it was read."""
        return not self.entries and not self.unread

    def read_entries(self) -> None:
        """Read what was left unread."""
        unread, self.unread = self.unread, []
        for place, raw, mode in unread:
            _add(self, place, raw, mode)

    @property
    def errors(self) -> list[Issue]:
        return [issue for issue in self.outcomes if issue.is_error]


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw()
    search: _Search | None = None


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Bundle(msgspec.Struct):
    resourceType: Literal["Bundle"]
    total: int | float | None = None
    link: list[_Link] | None = None
    entry: list[_Entry] | None = None


class _Kind(msgspec.Struct):
    resourceType: str


_kind, _bundle, _entry = (msgspec.json.Decoder(each) for each in (_Kind, _Bundle, _Entry))
_FAULTS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_page(body: bytes, *, known: Container[bytes] = ()) -> Page:
    """A search's answer: a Bundle, an OperationOutcome, or (for a read) one resource. Raises NotFhir.

    The resources of a Bundle whose contents are `known` are left unread.
    """
    body = body.removeprefix(BOM)
    if page := _read_whole(body):
        if page.contents not in known:
            page.read_entries()
        return page
    match _resource_type(body):
        case "Bundle":
            return _salvage(body)
        case "OperationOutcome":
            return Page(kind="outcome", outcomes=read_outcome(body))
    page = Page(kind="resource")
    _add(page, 0, body.strip(), "match")
    return page


def digest_of(raw: bytes) -> bytes:
    """SHA-256 of a resource's text, by which two versions are compared (32 bytes)."""
    return sha256(raw).digest()


def on_one_line(raw: bytes) -> bytes:
    """The same JSON without line breaks (NDJSON needs that). Every value keeps its text, numbers every digit."""
    if b"\n" not in raw and b"\r" not in raw:
        return raw
    try:
        return msgspec.json.format(raw, indent=-1)
    except _FAULTS:
        return raw.replace(b"\r", b" ").replace(b"\n", b" ")  # outside strings: inside, JSON forbids them


def _resource_type(body: bytes) -> str:
    try:
        return _kind.decode(body).resourceType
    except _FAULTS:
        pass
    try:
        found = {key: body[start:end] for key, start, end in scan.members(body) if key == "resourceType"}
    except scan.Malformed:
        raise NotFhir("not_json") from None
    text = found.get("resourceType", b"").decode(errors="replace")
    value = text.strip('"')
    if not text.startswith('"') or not value.isalnum():
        raise NotFhir("not_fhir")
    return value


def _read_whole(body: bytes) -> Page | None:
    """A Bundle that can be read in one go, its resources unread; None for anything else."""
    try:
        body.decode()
        bundle = _bundle.decode(body)
    except _FAULTS:
        return None
    page = _headed(bundle.total, bundle.link)
    page.unread = [
        (place, raw, (entry.search and entry.search.mode) or "match")
        for place, entry in enumerate(bundle.entry or ())
        if (raw := bytes(entry.resource)) not in NO_RESOURCE
    ]
    page.contents = sha256(b"\n".join([raw for _, raw, _ in page.unread])).digest()
    return page


def _salvage(body: bytes) -> Page:
    """The same page, entry by entry, when something in it cannot be read in one go."""
    try:
        parts = {key: body[start:end] for key, start, end in scan.members(body)}
        entry = parts.get("entry", b"[]")
        texts = [entry[start:end] for start, end in scan.elements(entry)] if entry.startswith(b"[") else []
    except scan.Malformed:
        raise NotFhir("not_json") from None
    page = _headed(_lenient(parts.get("total"), int | None), _lenient(parts.get("link"), list[_Link] | None))
    for place, text in enumerate(texts):
        _read_entry(page, place, text)
    return page


def _headed(total, links) -> Page:
    urls = {link.relation: link.url for link in links or () if link.url}
    whole = int(total) if isinstance(total, (int, float)) and 0 <= total < 2**31 else None
    return Page(total=whole, next_url=urls.get("next"), self_url=urls.get("self"))


def _lenient(text: bytes | None, wanted):
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=wanted)
    except _FAULTS:
        return None


def _read_entry(page: Page, place: int, text: bytes) -> None:
    try:
        entry = _entry.decode(text)
        raw, mode = bytes(entry.resource), (entry.search.mode if entry.search else None)
    except _FAULTS:
        raw, mode = _scanned_entry(text)
    _add(page, place, raw, mode or "match")


def _scanned_entry(text: bytes) -> tuple[bytes, str | None]:
    """The resource's text and the search mode; an entry that is no object is its own resource, and unreadable."""
    try:
        parts = {key: text[start:end] for key, start, end in scan.members(text)}
    except scan.Malformed:
        return text, None
    search = _lenient(parts.get("search"), _Search | None)
    return parts.get("resource", b""), search.mode if search else None


def _add(page: Page, place: int, raw: bytes, mode: str) -> None:
    """File a resource as an entry, an outcome or damaged goods."""
    if raw in NO_RESOURCE:
        return
    try:
        raw.decode()
        head = read_head(raw)
    except UnicodeDecodeError:
        page.unreadable.append(Damaged(place, "not_utf8", raw))
        return
    except Unreadable as error:
        if _is_outcome(raw):
            page.outcomes += read_outcome(raw)
        else:
            page.unreadable.append(Damaged(place, error.reason, raw))
        return
    if head.type == "OperationOutcome":
        page.outcomes += read_outcome(raw)
        return
    line = on_one_line(raw)
    page.entries.append(Entry(head, line, digest_of(line), "include" if mode == "include" else "match"))


def _is_outcome(raw: bytes) -> bool:
    """OperationOutcomes in a searchset seldom have an id."""
    kind = _lenient(raw, _Kind)
    return kind is not None and kind.resourceType == "OperationOutcome"
