"""From folders of FHIR transaction bundles to one file of resources that can be served as they stand.

A resource keeps its text to the last digit: insignificant white space goes, references that name a bundle entry
(`urn:uuid:…`, or an identifier query) become `Type/id`, and `id`, `meta.versionId` and `meta.lastUpdated` are added
where they lack. Nothing passes through a float.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from portals.sandbox.elements import SHARED_TYPES

FORMAT = "1"
PLACEHOLDER = b"__PATIENT__"
FIRST_UPDATE = datetime(2026, 1, 2, 6, 0, tzinfo=UTC)
UPDATE_SPAN_SECONDS = 30 * 86_400

_REFERENCE = re.compile(rb'"(reference|url)":"((?:urn:uuid:|urn:oid:|https?://|[A-Z][A-Za-z]+\?)[^"]+)"')


class _Entry(msgspec.Struct):
    resource: msgspec.Raw
    fullUrl: str = ""


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


class _Identifier(msgspec.Struct):
    system: str = ""
    value: str = ""


class _Head(msgspec.Struct):
    resourceType: str
    id: str = ""


class _SharedHead(msgspec.Struct):
    identifier: list[_Identifier] = []


def prepare(*, folders: list[Path], extras: bytes, extra_folder: Path | None, into: Path) -> bool:
    """Write `into` (NDJSON, one resource a line) from every bundle in `folders`, in order of file name.

    `extras` is a bundle with `__PATIENT__` in it, added once for each patient found in `extra_folder`.
    Answers False, having done nothing, when `into` was made from the same input before.
    """
    fingerprint = _fingerprint(folders, extras, extra_folder)
    stamp = into.with_suffix(".stamp")
    if into.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return False
    into.parent.mkdir(parents=True, exist_ok=True)
    seen: dict[str, None] = {}
    draft = into.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
    with open(draft, "wb") as file:
        for bundle in _bundles(folders, extras, extra_folder):
            for reference, line in resources_of(bundle):
                if reference not in seen:
                    seen[reference] = None
                    file.write(line + b"\n")
    os.replace(draft, into)
    stamp.write_text(fingerprint)
    return True


def resources_of(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Each resource of a transaction bundle as (`Type/id`, compact JSON fit to be served)."""
    entries = msgspec.json.decode(bundle, type=_Bundle).entry
    heads = [_head(entry) for entry in entries]
    known = _names(entries, heads)
    for entry, head in zip(entries, heads, strict=True):
        compact = msgspec.json.format(bytes(entry.resource), indent=-1)
        linked = _REFERENCE.sub(lambda match: _linked(match, known), compact)
        yield f"{head.resourceType}/{head.id}", _stamped(linked, head)


def last_update(reference: str) -> datetime:
    """When the portal says it last touched a resource: any moment of January 2026, but always the same."""
    spread = int.from_bytes(hashlib.sha256(reference.encode()).digest()[:6], "big") % UPDATE_SPAN_SECONDS
    return FIRST_UPDATE + timedelta(seconds=spread)


def _head(entry: _Entry) -> _Head:
    head = msgspec.json.decode(entry.resource, type=_Head)
    if not head.id:
        tail = entry.fullUrl.rpartition(":")[2].rpartition("/")[2]
        head.id = tail or hashlib.sha256(bytes(entry.resource)).hexdigest()[:32]
    return head


def _names(entries: list[_Entry], heads: list[_Head]) -> dict[str, str]:
    """Everything a reference inside the bundle may call an entry → `Type/id`."""
    names = {}
    for entry, head in zip(entries, heads, strict=True):
        target = f"{head.resourceType}/{head.id}"
        if entry.fullUrl:
            names[entry.fullUrl] = target
        if head.resourceType in SHARED_TYPES:
            for given in msgspec.json.decode(entry.resource, type=_SharedHead).identifier:
                names[f"{head.resourceType}?identifier={given.system}|{given.value}"] = target
    return names


def _linked(match: re.Match[bytes], known: dict[str, str]) -> bytes:
    target = known.get(match[2].decode())
    return b'"%s":"%s"' % (match[1], target.encode()) if target else match[0]


def _stamped(body: bytes, head: _Head) -> bytes:
    """Add what a server adds. Members stay raw, so every number keeps its digits."""
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    meta = msgspec.json.decode(members["meta"], type=dict[str, msgspec.Raw]) if "meta" in members else {}
    updated = last_update(f"{head.resourceType}/{head.id}").strftime("%Y-%m-%dT%H:%M:%S.000Z")
    meta = {"versionId": _raw("1"), "lastUpdated": _raw(updated)} | meta
    members = {"resourceType": members.pop("resourceType"), "id": _raw(head.id)} | members
    return msgspec.json.encode(members | {"meta": msgspec.Raw(msgspec.json.encode(meta))})


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


def _bundles(folders: list[Path], extras: bytes, extra_folder: Path | None) -> Iterator[bytes]:
    for folder in folders:
        for path in _files(folder):
            bundle = path.read_bytes()
            yield bundle
            if folder == extra_folder:
                for patient in _patients(bundle):
                    yield extras.replace(PLACEHOLDER, patient.encode())


def _files(folder: Path) -> list[Path]:
    """Bundles, including those in sub-folders; the generator's own notes of who works where are bundles too."""
    return sorted(path for path in folder.rglob("*.json") if path.is_file())


def _patients(bundle: bytes) -> list[str]:
    heads = [_head(entry) for entry in msgspec.json.decode(bundle, type=_Bundle).entry]
    return [head.id for head in heads if head.resourceType == "Patient"]


def _fingerprint(folders: list[Path], extras: bytes, extra_folder: Path | None) -> str:
    sizes = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for each in folders for path in _files(each)]
    told = json.dumps([FORMAT, str(extra_folder), sizes]).encode()
    return hashlib.sha256(told + extras).hexdigest()
