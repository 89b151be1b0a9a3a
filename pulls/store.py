"""Storing a page: compare digests, write what is new or changed, move the mark; one transaction (DESIGN 4, "Pull")."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone

from pulls.bulk import upsert
from pulls.claims import hold
from pulls.fhir.pages import Damaged, Entry
from pulls.models import Page, Pull, Record, RecordHead, Reference, Search, Unreadable
from pulls.records import data_key, seal_body


@dataclass(slots=True)
class Stored:
    """What became of a page's resources."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    landed: list[Entry] = field(default_factory=list)

    @property
    def written(self) -> int:
        return self.new + self.changed


def key_of(resource_type: str, resource_id: str) -> bytes:
    """8 bytes that stand for a resource in a page's list of what it held."""
    return hashlib.sha256(f"{resource_type}/{resource_id}".encode()).digest()[:8]


def keys_of(entries: list[Entry]) -> bytes:
    """What a page held: the keys of its resources in a row."""
    return b"".join(key_of(entry.head.type, entry.head.id) for entry in entries)


@transaction.atomic
def store_page(
    pull: Pull, search: Search, *, url: str, entries: list[Entry], references: Iterable[tuple[str, str, bool]],
    damaged: Iterable[Damaged] = (), size: int = 0, **marks,
) -> Stored:  # fmt: skip
    """Store a page and move the search's mark (`marks` are columns of Search). Raises LeaseLost."""
    stored = land(pull, entries)
    first = {"first_record_at": timezone.now()} if stored.written and pull.first_record_at is None else {}
    hold(pull, total=pull.total + stored.written, **first)
    Page.objects.create(
        search=search, number=search.pages + 1, url_hash=url_hash(url), keys=keys_of(entries), entries=len(entries),
        bytes=size,
    )  # fmt: skip
    note_references(pull, references)
    keep_damaged(pull, search, damaged)
    search.pages += 1
    matches = sum(entry.mode == "match" for entry in entries)
    search.fetched += matches
    search.included += len(entries) - matches
    search.stored += stored.written
    search.unchanged += stored.unchanged
    for name, value in marks.items():
        setattr(search, name, value)
    search.save()
    return stored


@transaction.atomic
def store_referenced(pull: Pull, reference: Reference, entry: Entry, further: Iterable[tuple[str, str, bool]]) -> None:
    """Store one resource that was read by itself, and settle the reference to it. Raises LeaseLost."""
    stored = land(pull, [entry])
    hold(pull, total=pull.total + stored.written)
    note_references(pull, further)
    reference.settle(Reference.Status.FETCHED)


def url_hash(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()[:16]


def note_references(pull: Pull, references: Iterable[tuple[str, str, bool]]) -> None:
    """Remember what is only pointed at, `(type, target, is a document)`, once a pull."""
    rows = [
        Reference(
            pull=pull, resource_type=resource_type, target=target, target_hash=url_hash(target), is_document=is_document
        )
        for resource_type, target, is_document in dict.fromkeys(references)
    ]
    Reference.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def keep_damaged(pull: Pull, search: Search, damaged: Iterable[Damaged]) -> None:
    """Keep what could not be filed in its raw form, with its place and why: one bad resource never costs the others."""
    damaged = list(damaged)
    if not damaged:
        return
    key, rows = data_key(pull.patient), []
    for entry in damaged:
        body = seal_body(
            key, entry.raw, connection_id=pull.pk, resource_type="unreadable", resource_id=str(entry.place)
        )
        rows.append(Unreadable(search=search, page=search.pages + 1, place=entry.place, reason=entry.reason, body=body))
    Unreadable.objects.bulk_create(rows, batch_size=500)
    search.unreadable += len(rows)


def land(pull: Pull, entries: list[Entry]) -> Stored:
    """Write the resources whose bytes we do not have yet, inside the caller's transaction."""
    latest = {(entry.head.type, entry.head.id): entry for entry in entries}
    known = _known(pull, latest)
    stored, fresh = Stored(), []
    for place, entry in latest.items():
        before = known.get(place)
        if before is None:
            fresh.append((entry, Record.Change.NEW))
        elif before != (entry.digest, False):
            fresh.append((entry, Record.Change.CHANGED))
    stored.unchanged = len(latest) - len(fresh)
    stored.new = sum(change == Record.Change.NEW for _, change in fresh)
    stored.changed = len(fresh) - stored.new
    stored.landed = [entry for entry, _ in fresh]
    if fresh:
        _write(pull, fresh)
    return stored


def _known(pull: Pull, places: dict) -> dict[tuple[str, str], tuple[bytes, bool]]:
    """The digests we hold of these resources of this connection, and whether each is marked gone."""
    by_type: dict[str, list[str]] = {}
    for resource_type, resource_id in places:
        by_type.setdefault(resource_type, []).append(resource_id)
    known = {}
    for resource_type, ids in by_type.items():
        rows = Record.objects.filter(connection_id=pull.connection_id, resource_type=resource_type, resource_id__in=ids)
        for resource_id, digest, change in rows.values_list("resource_id", "digest", "change"):
            known[resource_type, resource_id] = (bytes(digest), change == Record.Change.GONE)
    return known


def _write(pull: Pull, fresh: list[tuple[Entry, str]]) -> None:
    key, now = data_key(pull.patient), timezone.now()
    rows = [
        Record(
            patient_id=pull.patient_id, connection_id=pull.connection_id, source_id=pull.connection.source_id,
            resource_type=entry.head.type, resource_id=entry.head.id, digest=entry.digest, size=len(entry.raw),
            body=seal_body(
                key, entry.raw, connection_id=pull.connection_id, resource_type=entry.head.type,
                resource_id=entry.head.id,
            ),
            version_id=entry.head.version_id[:100], last_updated=entry.head.last_updated[:40], change=change,
            pull_id=pull.pk, landed_at=now,
        )
        for entry, change in fresh
    ]  # fmt: skip
    # The head row is locked as late as can be and until commit: positions are in commit order, no cursor skips one.
    first = reserve_positions(pull.patient_id, len(rows))
    for offset, row in enumerate(rows):
        row.position = first + offset
    upsert(rows)


def reserve_positions(patient_id: str, count: int) -> int:
    """The first of `count` positions; the head row stays locked until the transaction ends."""
    RecordHead.objects.get_or_create(patient_id=patient_id)
    head = RecordHead.objects.select_for_update().get(patient_id=patient_id)
    first = head.position + 1
    RecordHead.objects.filter(patient_id=patient_id).update(position=head.position + count)
    return first
