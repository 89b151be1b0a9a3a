"""The hash chain: every entry's hash covers its own facts and the hash before it, so a change anywhere shows.

Entries are written without a place, so that no transaction waits for another's; a worker gives places after commit.
The head of the chain is told to the log, which lives elsewhere: a chain cut off or written anew does not match it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from itertools import islice

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from connect.audit.models import GENESIS, Entry

log = structlog.get_logger(__name__)

BATCH = 500
CHUNK = 2000
SHOULD_BE_CHAINED_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Head:
    """The last place given and its hash."""

    position: int
    hash: str


START = Head(0, GENESIS)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: at which position, and what."""

    position: int | None
    what: str


def head() -> Head:
    """The chain's head; position 0 and the genesis hash when nothing is chained."""
    last = Entry.objects.filter(position__isnull=False).order_by("-position").values_list("position", "hash").first()
    return Head(*last) if last else START


def chain_all() -> int:
    """Give every committed entry its place; returns how many were given one.

    Of two workers at the same place the unique position lets one win; the other leaves the rest to it.
    """
    count = 0
    while True:
        try:
            given = _chain_batch()
        except IntegrityError:
            return count
        count += given
        if given < BATCH:
            return count


@transaction.atomic
def _chain_batch() -> int:
    last = head()
    entries = list(Entry.objects.filter(position=None).order_by("pk")[:BATCH])
    for entry in entries:
        position, before = last.position + 1, last.hash
        last = Head(position, digest(entry, position, before))
        Entry.objects.filter(pk=entry.pk, position=None).update(position=position, previous_hash=before, hash=last.hash)
    if entries:
        log.info("audit.chained", entries=len(entries), position=last.position, hash=last.hash)
    return len(entries)


def facts(entry: Entry) -> dict:
    """What an entry says, as JSON values."""
    return {
        "id": entry.pk, "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"), "action": entry.action,
        "actor_kind": entry.actor_kind, "actor": entry.actor, "organization_id": entry.organization_id,
        "environment": entry.environment, "object_type": entry.object_type, "object_id": entry.object_id,
        "address": entry.address, "request_id": entry.request_id, "detail": entry.detail,
    }  # fmt: skip


def digest(entry: Entry, position: int, previous_hash: str) -> str:
    """Hex SHA-256 over the previous hash and the canonical JSON of position and facts (keys sorted, no spaces)."""
    told = json.dumps(facts(entry) | {"position": position}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{told}".encode()).hexdigest()


def faults(*, witnessed: Head | None = None) -> Iterator[Fault]:
    """Everything that is wrong with the log, first things first.

    `witnessed` is a head told to the log earlier: the chain must still pass through it.
    """
    last = START
    for entry in _chained(START):
        yield from _wrong_with(entry, last)
        if witnessed and entry.position == witnessed.position and entry.hash != witnessed.hash:
            yield Fault(entry.position, "the chain was written anew: its hash is not the one told to the log")
        last = Head(entry.position, entry.hash)
    if witnessed and witnessed.position > last.position:
        yield Fault(witnessed.position, f"the chain ends at {last.position}: later entries were cut off")
    yield from never_chained()


def check(*, after: Head, most: int) -> tuple[list[Fault], Head, bool]:
    """What is wrong with the next `most` entries after this place; the place reached, and whether it is the end."""
    found, last, count = [], after, 0
    for entry in islice(_chained(after), most):
        found += _wrong_with(entry, last)
        last, count = Head(entry.position, entry.hash), count + 1
    return found, last, count < most


def place_before_end(entries: int) -> Head:
    """Where a check of so many of the newest entries begins."""
    at = Entry.objects.filter(position=head().position - entries).values_list("position", "hash").first()
    return Head(*at) if at else START


def _chained(after: Head):
    return Entry.objects.filter(position__gt=after.position).order_by("position").iterator(chunk_size=CHUNK)


def _wrong_with(entry: Entry, last: Head) -> Iterator[Fault]:
    if entry.position != last.position + 1:
        yield Fault(entry.position, f"entries {last.position + 1} to {entry.position - 1} are gone")
    elif entry.previous_hash != last.hash:
        yield Fault(entry.position, "it does not follow from the entry before it")
    if entry.hash != digest(entry, entry.position, entry.previous_hash):
        yield Fault(entry.position, "it was changed after it was chained")


def never_chained() -> Iterator[Fault]:
    """Entries that no worker gave a place to."""
    late = Entry.objects.filter(position=None, at__lt=timezone.now() - SHOULD_BE_CHAINED_AFTER).count()
    if late:
        yield Fault(None, f"{late} entries wait to be chained for over 10 minutes: is connect.audit.chain running?")
