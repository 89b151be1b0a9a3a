"""What a check is, and what it found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from django.db.models import QuerySet
from django.utils import timezone

NAMED = 5
COUNTED_UP_TO = 10_000
# Work is due before it is done: what is younger than this may be on its way.
GRACE = timedelta(seconds=60)


@dataclass(frozen=True)
class Finding:
    """What one check found: nothing, or how many rows, some of them by id, and what to do."""

    check: str
    says: str
    count: int = 0
    named: tuple[str, ...] = ()
    advice: str = ""

    @property
    def ok(self) -> bool:
        return self.count == 0


@dataclass(frozen=True)
class Check:
    """`says`: what must be true. `find`: the rows (or their names) for which it is not. `advice`: what to do then."""

    name: str
    says: str
    find: Callable[[], QuerySet | Iterable[str]]
    advice: str

    def look(self) -> Finding:
        """Run it. Of very many offenders the first ten thousand are counted."""
        count, named = 0, []
        for offender in _names(self.find()):
            count += 1
            if len(named) < NAMED:
                named.append(offender)
            if count >= COUNTED_UP_TO:
                break
        return Finding(self.name, self.says, count, tuple(named), self.advice)


def _names(found: QuerySet | Iterable[str]) -> Iterator[str]:
    if isinstance(found, QuerySet):
        label = found.model._meta.model_name
        for pk in found.order_by("pk").values_list("pk", flat=True)[:COUNTED_UP_TO].iterator():
            yield f"{label} {pk}"
    else:
        yield from found


def walk(rows: QuerySet, *, chunk: int, key: Callable = attrgetter("pk")) -> Iterator:
    """Every row in order of its primary key, `chunk` a statement; `key` tells a row's.

    However large the table: neither this process nor the database holds more than a chunk, and no statement reaches
    DATABASE_STATEMENT_TIMEOUT_MS.
    """
    rows, last = rows.order_by("pk"), None
    while batch := list((rows if last is None else rows.filter(pk__gt=last))[:chunk]):
        yield from batch
        last = key(batch[-1])


def overdue() -> datetime:
    """What was due before this moment should have been taken by now."""
    return timezone.now() - GRACE
