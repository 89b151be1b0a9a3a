"""Storing what came: compare digests, write what is new or changed, move the marks; one transaction (DESIGN 4, "Pull").

Pages that came together are stored together: the statements that a page needs besides its resources, and the wait for the
disk, are then shared.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from django.db import transaction
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from pulls.bulk import Held, Place, Row, held, reserve_positions, upsert
from pulls.earlier import MOST_RANGES, EarlierPage, are_held, count, ranges
from pulls.fhir.pages import Damaged, Entry
from pulls.fhir.pages import Page as FhirPage
from pulls.models import Page, Pull, Record, Reference, Search, Unreadable
from pulls.records import data_key, seal_body

log = structlog.get_logger(__name__)

KEY_BYTES = 8
# References that a run remembers to have noted, so that it need not ask the database.
MOST_NOTED = 20_000


@dataclass(slots=True)
class Arrived:
    """What one answer brought, read and judged, on its way into the database.

    `references` are what it only points at: `(type, target, is a document)`. A search's page comes with its row, unsaved,
    and its search, whose marks have moved on already; one resource that was read by itself with the reference to it.
    A page that an `earlier` pull had just so has its resources `unread`.
    """

    entries: list[Entry]
    references: list[tuple[str, str, bool]]
    search: Search | None = None
    page: Page | None = None
    damaged: list[Damaged] = field(default_factory=list)
    strangers: int = 0
    reference: Reference | None = None
    earlier: EarlierPage | None = None
    unread: FhirPage | None = None

    @property
    def size(self) -> int:
        """Bytes that came."""
        return self.page.bytes if self.page else sum(len(entry.raw) for entry in self.entries)

    def read_again(self) -> None:
        """Have the resources read that seemed to be known."""
        self.unread.read_entries()
        self.entries, self.earlier, self.unread = self.unread.entries, None, None


@dataclass(slots=True)
class Landed:
    """What became of the resources of one answer. `positions`: of the records that hold just these, None if not all do."""

    written: int = 0
    unchanged: int = 0
    positions: list[int] | None = None


def key_of(resource_type: str, resource_id: str) -> bytes:
    """8 bytes that stand for a resource in a page's list of what it held."""
    return hashlib.sha256(f"{resource_type}/{resource_id}".encode()).digest()[:KEY_BYTES]


def keys_of(entries: list[Entry]) -> bytes:
    """What a page held: the keys of its resources in a row."""
    return b"".join([key_of(entry.head.type, entry.head.id) for entry in entries])


def keys_in(keys: bytes) -> list[bytes]:
    """The keys of a page, one by one."""
    return [bytes(keys[start : start + KEY_BYTES]) for start in range(0, len(keys), KEY_BYTES)]


def url_hash(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()[:16]


class Store:
    """Where one run of a pull puts what it fetched."""

    def __init__(self, pull: Pull):
        self.pull = pull
        self.noted: set[tuple[str, str, bool]] = set()

    @transaction.atomic
    def keep(self, arrived: list[Arrived]) -> None:
        """Store these answers, in the order they came, and settle or move on what they belong to. Raises LeaseLost."""
        self._look_again(arrived)
        landed = land(self.pull, [each.entries for each in arrived])
        written = sum(each.written for each in landed)
        first = {"first_record_at": timezone.now()} if written and self.pull.first_record_at is None else {}
        self.pull.hold(total=self.pull.total + written, **first)
        self._note_references(each for answer in arrived for each in answer.references)
        self._keep_pages([(each, fate) for each, fate in zip(arrived, landed, strict=True) if each.page])
        fetched = [each.reference.pk for each in arrived if each.reference]
        if fetched:
            Reference.objects.filter(pk__in=fetched).update(status=Reference.Status.FETCHED, reason="")

    def _look_again(self, arrived: list[Arrived]) -> None:
        """Have pages read that seemed to be known: where another that comes with them has a resource of theirs, perhaps
        in another form, or where a record of theirs was written since."""
        shared = {key for each in arrived if each.page and not each.earlier for key in keys_in(each.page.keys)}
        known = [each for each in arrived if each.earlier]
        for each in known:
            if shared and not shared.isdisjoint(keys_in(each.page.keys)):
                each.read_again()
        known = [each for each in known if each.earlier]
        if not are_held(self.pull, [each.earlier for each in known]):
            for each in known:
                each.read_again()

    def _keep_pages(self, pages: list[tuple[Arrived, Landed]]) -> None:
        for arrived, landed in pages:
            if arrived.earlier:
                landed.unchanged = count(arrived.earlier.positions)
                arrived.page.positions = arrived.earlier.positions
            elif landed.positions is None or len(found := ranges(landed.positions)) > MOST_RANGES:
                arrived.page.contents = b""
            else:
                arrived.page.positions = found
            arrived.search.stored += landed.written
            arrived.search.unchanged += landed.unchanged
            keep_damaged(self.pull, arrived.page, arrived.damaged)
            if arrived.strangers:
                report_strangers(self.pull, arrived.search, arrived.strangers)
        Page.objects.bulk_create([arrived.page for arrived, _ in pages])
        for search in {arrived.search.pk: arrived.search for arrived, _ in pages}.values():
            search.save()

    def _note_references(self, references: Iterable[tuple[str, str, bool]]) -> None:
        fresh = [each for each in dict.fromkeys(references) if each not in self.noted]
        note_references(self.pull, fresh)
        if len(self.noted) < MOST_NOTED:
            self.noted.update(fresh)


def note_references(pull: Pull, references: Iterable[tuple[str, str, bool]]) -> None:
    """Remember what is only pointed at, `(type, target, is a document)`, once a pull."""
    rows = [
        Reference(
            pull=pull, resource_type=resource_type, target=target, target_hash=url_hash(target), is_document=is_document
        )
        for resource_type, target, is_document in dict.fromkeys(references)
    ]
    Reference.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def keep_damaged(pull: Pull, page: Page, damaged: list[Damaged]) -> None:
    """Keep what could not be filed in its raw form, with its place and why: one bad resource never costs the others."""
    if not damaged:
        return
    key, rows = data_key(pull.patient), []
    for entry in damaged:
        body = seal_body(
            key, entry.raw, connection_id=pull.pk, resource_type="unreadable", resource_id=str(entry.place)
        )
        rows.append(Unreadable(search=page.search, page=page.number, place=entry.place, reason=entry.reason, body=body))
    Unreadable.objects.bulk_create(rows, batch_size=500)


def report_strangers(pull: Pull, search: Search, count: int) -> None:
    """A page named somebody else: what was theirs is not stored, and an operator should know."""
    log.error("pull.other_patients_resource", search_id=search.pk, count=count)
    record(
        action="pull.other_patient_refused", by=SYSTEM, organization_id=pull.organization_id,
        environment=pull.environment, object_type="pull", object_id=pull.pk, count=count,
    )  # fmt: skip


def land(pull: Pull, batches: list[list[Entry]]) -> list[Landed]:
    """Write the resources whose bytes we do not have yet, inside the caller's transaction; what became of each batch.

    A resource that comes twice counts twice, and is written once: as it came last.
    """
    latest = [{(entry.head.type, entry.head.id): entry for entry in entries} for entries in batches]
    known = held(pull.connection_id, {place for batch in latest for place in batch})
    fresh: dict[Place, tuple[Entry, str]] = {}
    landed = [_sift(batch, known, fresh) for batch in latest]
    if fresh:
        for place, position in zip(fresh, _write(pull, list(fresh.values())), strict=True):
            known[place].position = position
    for batch, one in zip(latest, landed, strict=True):
        if all(known[place].digest == entry.digest for place, entry in batch.items()):
            one.positions = [known[place].position for place in batch]
    return landed


def _sift(batch: dict[Place, Entry], known: dict[Place, Held], fresh: dict[Place, tuple[Entry, str]]) -> Landed:
    """Add to `fresh` what is to be written of a batch, and to `known` that we have it then."""
    landed = Landed()
    for place, entry in batch.items():
        before = known.get(place)
        if before and before.digest == entry.digest:
            landed.unchanged += 1
            continue
        landed.written += 1
        is_new = before is None or (place in fresh and fresh[place][1] == Record.Change.NEW)
        fresh[place] = (entry, Record.Change.NEW if is_new else Record.Change.CHANGED)
        known[place] = Held(entry.digest, 0)
    return landed


def _write(pull: Pull, fresh: list[tuple[Entry, str]]) -> list[int]:
    """Write them; the positions they were given."""
    key = data_key(pull.patient)
    bodies = [
        seal_body(
            key, entry.raw, connection_id=pull.connection_id, resource_type=entry.head.type, resource_id=entry.head.id
        )
        for entry, _ in fresh
    ]
    # The head row is locked as late as can be and until commit: positions are in commit order, no cursor skips one.
    first = reserve_positions(pull.patient_id, len(fresh))
    rows = [
        Row(
            first + offset, entry.digest, body, len(entry.raw), entry.head.version_id, entry.head.last_updated, change,
            entry.head.type, entry.head.id,
        )
        for offset, ((entry, change), body) in enumerate(zip(fresh, bodies, strict=True))
    ]  # fmt: skip
    upsert(
        rows, patient_id=pull.patient_id, connection_id=pull.connection_id, source_id=pull.connection.source_id,
        pull_id=pull.pk, landed_at=timezone.now(),
    )  # fmt: skip
    return [row.position for row in rows]
