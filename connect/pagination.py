"""Lists (contract 1.1): keyset cursors that are opaque, carry their own position and are bound to their filters."""

import hashlib

from django.core import signing
from rest_framework import serializers

from connect.errors import InvalidData
from connect.fields import WholeNumberField

SALT = "connect.pagination"
DEFAULT_LIMIT = 10
MAX_LIMIT = 100


class PageQuery(serializers.Serializer):
    """`limit` 1..100 and `starting_after`; lists add their filters by subclassing."""

    limit = WholeNumberField(1, MAX_LIMIT, required=False, default=DEFAULT_LIMIT, help_text="Items a page.")
    starting_after = serializers.CharField(
        required=False, max_length=600, help_text="The `next_cursor` of the page before, under the same filters."
    )


def issue_cursor(position, filters: dict) -> str:
    """A cursor for the place after `position` (a JSON value) under these filters."""
    return signing.dumps([position, _digest(filters)], salt=SALT)


def read_cursor(cursor: str, filters: dict, *, param: str = "starting_after"):
    """The position inside a cursor; raises InvalidData if it is damaged or was issued under other filters."""
    try:
        position, digest = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise InvalidData("Not a cursor of this API: use the last page's next_cursor", param=param) from None
    if digest != _digest(filters):
        raise InvalidData("This cursor belongs to other filters: keep them while paging", param=param)
    return position


def _digest(filters: dict) -> str:
    named = sorted((key, str(value)) for key, value in filters.items() if value is not None)
    return hashlib.sha256(repr(named).encode()).hexdigest()[:16]


def list_envelope(data: list, next_cursor: str | None) -> dict:
    """The list body of contract 1.1."""
    return {
        "resource_type": "list",
        "data": data,
        "has_more": next_cursor is not None,
        "next_cursor": next_cursor,
    }


def newest_first(queryset, *, limit: int, starting_after: str | None, filters: dict) -> tuple[list, str | None]:
    """A page of rows whose primary keys sort by time, newest first: O(page) at any depth.

    A cursor is bound to the kind of row as well as to the filters: another list's is refused.

    Returns the rows and the next cursor, which is None on the last page.
    """
    filters = {**filters, "rows of": queryset.model.__name__}
    if starting_after:
        queryset = queryset.filter(pk__lt=read_cursor(starting_after, filters))
    rows = list(queryset.order_by("-pk")[: limit + 1])
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], issue_cursor(rows[limit - 1].pk, filters)
