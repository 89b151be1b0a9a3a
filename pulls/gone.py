"""Marking what vanished: resources that a complete answer no longer holds (smart-fhir.md 7.6, `pull-deleted-upstream`).

Never from a refused, broken-off or unasked search: absence must be the portal's word, not our failure. Nothing is
deleted.
"""

from collections import Counter

from django.utils import timezone

from pulls.bulk import reserve_positions
from pulls.models import Page, Pull, Record, Search
from pulls.store import key_of, keys_in

CHUNK = 2000


def mark_gone(pull: Pull) -> dict[str, int]:
    """Mark what each wholly answered type no longer lists, inside the caller's transaction; counts by type."""
    types = wholly_answered(pull)
    vanished = _vanished(pull, types) if types else []
    if vanished:
        _mark(pull, [pk for pk, _ in vanished])
    return dict(Counter(resource_type for _, resource_type in vanished))


def wholly_answered(pull: Pull) -> list[str]:
    """The types all of whose searches ended well, brought what their totals promised, and asked for everything."""
    by_type: dict[str, list[Search]] = {}
    for search in pull.searches.all():
        by_type.setdefault(search.resource_type, []).append(search)
    return [resource_type for resource_type, searches in by_type.items() if all(map(_is_whole, searches))]


def _is_whole(search: Search) -> bool:
    is_short = search.expected is not None and search.fetched + search.unreadable < search.expected
    return search.status == Search.Status.DONE and not is_short and "_lastUpdated=" not in search.query


def _vanished(pull: Pull, types: list[str]) -> list[tuple[int, str]]:
    """(primary key, type) of the records of these types that no page of the pull held."""
    held = Record.objects.filter(connection_id=pull.connection_id, resource_type__in=types)
    held = held.exclude(change=Record.Change.GONE).values_list("pk", "resource_type", "resource_id")
    seen = _seen(pull, types)
    return [
        (pk, resource_type)
        for pk, resource_type, resource_id in held.iterator(chunk_size=CHUNK)
        if key_of(resource_type, resource_id) not in seen
    ]


def _seen(pull: Pull, types: list[str]) -> set[bytes]:
    """8 bytes a resource that any page of the pull held; a key names its type."""
    seen: set[bytes] = set()
    pages = Page.objects.filter(search__pull=pull, search__resource_type__in=types).exclude(keys=b"")
    for keys in pages.values_list("keys", flat=True).iterator(chunk_size=CHUNK):
        seen.update(keys_in(keys))
    return seen


def _mark(pull: Pull, vanished: list[int]) -> None:
    first, now = reserve_positions(pull.patient_id, len(vanished)), timezone.now()
    for start in range(0, len(vanished), CHUNK):
        rows = Record.objects.defer("body").in_bulk(vanished[start : start + CHUNK])
        for offset, row in enumerate(rows.values()):
            row.position, row.change = first + start + offset, Record.Change.GONE
            row.pull_id, row.landed_at = pull.pk, now
        Record.objects.bulk_update(rows.values(), ["position", "change", "pull_id", "landed_at"], batch_size=200)
