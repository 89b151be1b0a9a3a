"""Pages that an earlier pull has stored: what comes again unchanged need not be read again, nor compared one by one.

A page is known by the digest of its resources' texts. That we still hold them just so, the records' positions tell: every
write gives a record a new position, so a page whose positions are all still taken has not been touched since.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q

from pulls.models import Page, Pull, Record, Search

Ranges = list[list[int]]
PULLS_BACK = 5
# A page whose records were written here and there, in more runs than this, is read again instead.
MOST_RANGES = 20
PAGES_AHEAD = 64


@dataclass(frozen=True, slots=True)
class EarlierPage:
    """What an earlier pull noted of a page: the keys of its resources, and the positions of the records that hold them."""

    keys: bytes
    positions: Ranges


class EarlierPages:
    """The pages that the last pulls of a connection have stored, by search."""

    def __init__(self, pull: Pull):
        before = Pull.objects.filter(connection_id=pull.connection_id, pk__lt=pull.pk).order_by("-pk")[:PULLS_BACK]
        rows = Search.objects.filter(pull__in=[each.pk for each in before.only("pk")]).exclude(fetched=0, included=0)
        asked = rows.order_by("pull_id").values_list("resource_type", "query", "is_typed", "pk")
        self.searches = {(resource_type, query, is_typed): pk for resource_type, query, is_typed, pk in asked}

    def of(self, search: Search, after: int) -> dict[bytes, EarlierPage]:
        """By their contents, the next pages after the one of this number that the same search brought before."""
        before = self.searches.get((search.resource_type, search.query, search.is_typed))
        if before is None:
            return {}
        numbers = range(after, after + PAGES_AHEAD + 1)
        pages = Page.objects.filter(search_id=before, number__gte=numbers.start, number__lte=numbers.stop)
        rows = pages.exclude(contents=b"").values_list("contents", "keys", "positions")
        return {bytes(contents): EarlierPage(bytes(keys), positions) for contents, keys, positions in rows}


def ranges(positions: Iterable[int]) -> Ranges:
    """Positions as `[[first, last]]` of what follows one another, in order."""
    found: Ranges = []
    for position in sorted(positions):
        if found and position == found[-1][1] + 1:
            found[-1][1] = position
        elif not found or position != found[-1][1]:
            found.append([position, position])
    return found


def count(found: Ranges) -> int:
    """How many positions they are."""
    return sum(last - first + 1 for first, last in found)


def are_held(pull: Pull, pages: list[EarlierPage]) -> bool:
    """Whether every record of these pages still stands where it stood: in one statement, of few conditions."""
    together = ranges(
        position for page in pages for first, last in page.positions for position in range(first, last + 1)
    )
    conditions = [Q(position__gte=first, position__lte=last) for first, last in together]
    return not conditions or (
        Record.objects.filter(reduce(or_, conditions), patient_id=pull.patient_id).count() == count(together)
    )
