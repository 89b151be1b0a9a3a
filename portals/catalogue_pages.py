"""Pages of the catalogue for the API: by name, or in the order of a search."""

from django.db.models import Q

from portals.directory import catalogue
from portals.models import Source

# Nobody reads further down a ranking: past it the list ends.
DEEPEST_RESULT = 500


class WrongPosition(Exception):
    """The position was issued for another kind of list."""


def page(environment: str, filters: dict, *, limit: int, after) -> tuple[list[Source], list | None]:
    """Up to `limit` sources, and the position to go on from (None on the last page).

    `filters`: q, type, state, postal_code. Raises WrongPosition.
    """
    is_search = any(filters.get(name) for name in ("q", "state", "postal_code"))
    if after is not None and len(after) != (1 if is_search else 2):
        raise WrongPosition
    if is_search:
        return _ranked(environment, filters, limit, after[0] if after else 0)
    return _by_name(environment, filters, limit, after)


def _ranked(environment: str, filters: dict, limit: int, skipped: int) -> tuple[list[Source], list | None]:
    choices = catalogue.search(
        environment, filters.get("q", ""), state=filters.get("state", ""), postal_code=filters.get("postal_code", ""),
        type=filters.get("type"), limit=min(skipped + limit + 1, DEEPEST_RESULT), one_per_source=True,
    )  # fmt: skip
    rest = [choice.source for choice in choices[skipped:]]
    return rest[:limit], [skipped + limit] if len(rest) > limit else None


def _by_name(environment: str, filters: dict, limit: int, after: list | None) -> tuple[list[Source], list | None]:
    sources = Source.objects.offered(environment)
    if "type" in filters:
        sources = sources.filter(vendor=filters["type"])
    if after:
        name, pk = after
        sources = sources.filter(name__gte=name).filter(Q(name__gt=name) | Q(name=name, pk__gt=pk))
    rows = list(sources.order_by("name", "pk")[: limit + 1])
    return rows[:limit], [rows[limit - 1].name, rows[limit - 1].pk] if len(rows) > limit else None
