"""What a run carries to its destination: one load at a time, bounded on disk or in memory, delivered whole."""

import gzip
import hashlib
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from portals.models import Source
from pulls.exports.models import Export, ExportFile, Span
from pulls.exports.stores import FhirStore, StoreRefused, StoreUnavailable
from pulls.fhir.identifiers import with_patient_identifier
from pulls.fhir.renaming import derived_id, renamed
from pulls.models import Record

NDJSON = "application/fhir+ndjson"
DELETED = "deleted"
LOAD_BYTES = 48 * 1024 * 1024
BUNDLE_ENTRIES = 100
BUNDLE_BYTES = 4 * 1024 * 1024
BUSY = frozenset({408, 425, 429, 503})


@dataclass
class Delivered:
    """What became of a load."""

    files: list[ExportFile] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    resources: int = 0
    gone: int = 0
    bytes: int = 0
    reasons: Counter = field(default_factory=Counter)


class Part:
    """One file in the making: lines on disk, and whose they are."""

    def __init__(self, *, compress: bool):
        self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has been delivered
        self.out = gzip.GzipFile(fileobj=self.file, mode="wb", compresslevel=6, mtime=0) if compress else self.file
        self.compress = compress
        self.lines = 0
        self.owners: list[tuple[str, int]] = []

    def add(self, line: bytes, patient_ref: str) -> None:
        self.out.write(line)
        self.lines += 1
        count = self.owners.pop()[1] if self.owners and self.owners[-1][0] == patient_ref else 0
        self.owners.append((patient_ref, count + 1))

    def finish(self) -> tuple[int, str]:
        """Size and SHA-256 of what is stored; the file is then at its beginning."""
        if self.compress:
            self.out.close()
        self.file.flush()
        self.file.seek(0)
        sha256 = hashlib.file_digest(self.file, "sha256").hexdigest()
        size = self.file.tell()
        self.file.seek(0)
        return size, sha256


class FileWriter:
    """NDJSON files, one a type in each load; the next load goes on with the next number."""

    def __init__(self, store, export: Export):
        self.store, self.export = store, export
        self.compress = bool(export.destination.settings.get("compress", True))
        self._start()

    def _start(self) -> None:
        self.parts: dict[str, Part] = {}
        self.size = 0

    @property
    def is_full(self) -> bool:
        return self.size >= LOAD_BYTES

    def add(self, record: Record, raw: bytes, patient) -> None:
        """One record. What is gone becomes a line of the `deleted` files, as in FHIR Bulk Data."""
        is_gone = record.change == Record.Change.GONE
        if is_gone:
            raw = _deletion(f"{record.resource_type}/{record.resource_id}")
        elif record.resource_type == "Patient":
            raw = with_patient_identifier(raw, patient.patient_id)
        name = DELETED if is_gone else record.resource_type
        part = self.parts.setdefault(name, Part(compress=self.compress)) if name not in self.parts else self.parts[name]
        part.add(raw + b"\n", record.patient_id)
        self.size += len(raw) + 1

    def deliver(self) -> Delivered:
        """Put the load's files. Raises StoreError, LeaseLost; the same load delivered again replaces the
        same files."""
        done = Delivered()
        for name, part in self.parts.items():
            size, sha256 = part.finish()
            number = self.export.files.filter(resource_type=name).count() + 1
            path = f"{self.export.folder}/{name}-{number}.ndjson{'.gz' if self.compress else ''}"
            self.export.hold()  # a worker that was overtaken must not write over its successor's file
            with part.file:
                self.store.put(path, part.file, content_type="application/gzip" if self.compress else NDJSON)
            file = ExportFile(
                export=self.export, resource_type=name, number=number, path=path, resources=part.lines, bytes=size,
                sha256=sha256,
            )  # fmt: skip
            done.files.append(file)
            done.spans += [Span(file=file, place=n, patient_ref=ref, lines=k) for n, (ref, k) in enumerate(part.owners)]
            done.bytes += size
            done.gone += part.lines if name == DELETED else 0
            done.resources += 0 if name == DELETED else part.lines
        self._start()
        return done

    def withdraw(self, done: Delivered) -> None:
        """Take a delivered load back: it held somebody who has been erased meanwhile."""
        for file in done.files:
            self.store.delete(file.path)


def _deletion(target: str) -> bytes:
    entry = {"request": {"method": "DELETE", "url": target}}
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).encode()


class FhirWriter:
    """Bundles of updates. Ids are made from source, type and id, so that a resource sent twice is one resource there
    and two portals' `Patient/1` are two."""

    def __init__(self, store: FhirStore, export: Export):
        self.store, self.export = store, export
        self.bases: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        self.entries: list[bytes] = []
        self.size = self.gone = 0

    @property
    def is_full(self) -> bool:
        return len(self.entries) + self.gone >= BUNDLE_ENTRIES or self.size >= BUNDLE_BYTES

    def add(self, record: Record, raw: bytes, patient) -> None:
        """One record. What is gone stays there as it is here: marked, never deleted; it is only counted."""
        if record.change == Record.Change.GONE:
            self.gone += 1
            return
        if record.resource_type == "Patient":
            raw = with_patient_identifier(raw, patient.patient_id)
        source = record.source_id
        id_ = derived_id(source, record.resource_type, record.resource_id)
        raw = renamed(raw, id=id_, base=self._base(source), rename=lambda type_, id: derived_id(source, type_, id))
        request = b'{"method":"PUT","url":"%s/%s"}' % (record.resource_type.encode(), id_.encode())
        self.entries.append(b'{"resource":%s,"request":%s}' % (raw, request))
        self.size += len(raw)

    def _base(self, source_id: str) -> str:
        if source_id not in self.bases:
            self.bases[source_id] = Source.objects.get(pk=source_id).fhir_base_url
        return self.bases[source_id]

    def deliver(self) -> Delivered:
        """Send the load as a transaction; where the server refuses it, entry by entry, so that one costs no other.
        Raises StoreError; the same load sent again changes nothing."""
        done = Delivered(gone=self.gone, bytes=self.size)
        if self.entries:
            for status in self._statuses():
                if 200 <= status < 300:
                    done.resources += 1
                else:
                    done.reasons[f"http_{status}"] += 1
        self._start()
        return done

    def _statuses(self) -> list[int]:
        try:
            return self.store.send(self.entries, kind="transaction")
        except StoreRefused as refusal:
            if not refusal.reason.startswith("http_4"):
                raise
        statuses = self.store.send(self.entries, kind="batch")
        faulty = [place for place, status in enumerate(statuses) if status >= 500 or status in BUSY]
        if faulty:
            again = self.store.send([self.entries[place] for place in faulty], kind="batch")
            statuses = [*statuses]
            for place, status in zip(faulty, again, strict=True):
                statuses[place] = status
        if busy := BUSY.intersection(statuses):
            raise StoreUnavailable(f"http_{min(busy)}")
        return statuses

    def withdraw(self, done: Delivered) -> None:
        """Nothing: what the server was given is in its keeping."""


def writer_for(store, export: Export):
    """The writer that speaks the store's language."""
    return FhirWriter(store, export) if isinstance(store, FhirStore) else FileWriter(store, export)
