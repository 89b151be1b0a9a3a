"""What a pull amounts to, from its searches and references: per type, and as a whole."""

from dataclasses import dataclass

from pulls.models import Pull, Reference, Search

LASTING = ("http_404", "http_410", "unreadable")
BAD = (Search.Status.REFUSED, Search.Status.FAILED, Search.Status.PARTIAL)


@dataclass(frozen=True)
class TypeProgress:
    """One line of a pull's progress: the searches of one type, added up."""

    type: str
    status: str
    fetched: int
    expected: int | None
    stored: int
    error: str | None


def progress_of(pull: Pull) -> list[TypeProgress]:
    """Per type: what was fetched, expected where the portal says, stored, and why something lacks."""
    by_type: dict[str, list[Search]] = {}
    for search in pull.searches.all():
        by_type.setdefault(search.resource_type, []).append(search)
    return [_of_type(resource_type, searches) for resource_type, searches in by_type.items()]


def _of_type(resource_type: str, searches: list[Search]) -> TypeProgress:
    told = [search.expected for search in searches if search.expected is not None]
    return TypeProgress(
        resource_type,
        status_of(searches),
        sum(search.fetched for search in searches),
        sum(told) if told else None,
        sum(search.stored for search in searches),
        next((search.error for search in searches if search.error and search.status in BAD), None),
    )


def status_of(searches: list[Search]) -> str:
    """One status for a type's searches: all alike, or `partial` where some brought something and some did not."""
    statuses = {search.status for search in searches}
    open_ones = statuses & {Search.Status.PENDING, Search.Status.RUNNING}
    if open_ones:
        return Search.Status.PENDING if statuses == {Search.Status.PENDING} else Search.Status.RUNNING
    if statuses == {Search.Status.SKIPPED} and len(searches) > 1 and any(search.is_listed for search in searches):
        return Search.Status.REFUSED  # one category may be unknown to a portal; all of them is a refusal of the type
    if len(statuses) == 1:
        return statuses.pop()
    if statuses <= {Search.Status.DONE, Search.Status.SKIPPED}:
        return Search.Status.DONE
    return Search.Status.PARTIAL


def types_lacking(progress: list[TypeProgress]) -> list[TypeProgress]:
    """The types that could not be had, or not wholly: what the event's `errors` counts."""
    return [one for one in progress if one.status in BAD]


def may_get_better(pull: Pull) -> bool:
    """Whether what lacks may be had by asking again soon: a refusal will stand, a failure may not."""
    searches = pull.searches.filter(status__in=[Search.Status.FAILED, Search.Status.PARTIAL])
    return (
        bool(pull.error)
        or searches.exists()
        or pull.references.filter(status=Reference.Status.FAILED).exclude(reason__in=LASTING).exists()
    )


def status_of_pull(pull: Pull, progress: list[TypeProgress]) -> str:
    """completed, partial (something lacks), or failed (nothing could be had at all).

    `progress` is what the pull vouches for together with those it builds on.
    """
    lacking = types_lacking(progress)
    if progress and all(one.status in (Search.Status.FAILED, Search.Status.REFUSED) for one in progress):
        return Pull.Status.FAILED
    if lacking or pull.references.filter(status=Reference.Status.FAILED).exists():
        return Pull.Status.PARTIAL
    return Pull.Status.COMPLETED
