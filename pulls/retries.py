"""Asking again for what an earlier pull could not have, and for no more (contract 5.1).

A retry asks for the types that lacked something and for the references that failed; for all else the pull whose gaps it
fills, and the retries before it, go on vouching. A type is asked for whole: where a page was lost, only a whole answer
tells what is missing or gone, and what has not changed is not written again.
"""

from collections.abc import Iterator

from django.db.models import Q

from pulls.models import Pull, Reference, Search
from pulls.outcome import BAD, TypeProgress, progress_of

SETTLED = (Pull.Status.COMPLETED, Pull.Status.PARTIAL, Pull.Status.FAILED)
LACKING = (*BAD, Search.Status.PENDING, Search.Status.RUNNING)
UNREAD = (Reference.Status.FAILED, Reference.Status.PENDING)


def before(pull: Pull) -> list[Pull]:
    """The settled pulls that vouch together with a retry: the one it completes, and that one's retries so far."""
    if pull.retry_of_id is None:
        return []
    family = Q(pk=pull.retry_of_id) | Q(retry_of=pull.retry_of_id)
    return list(Pull.objects.filter(family, status__in=SETTLED, pk__lt=pull.pk).order_by("pk"))


def vouched_before(pull: Pull) -> dict[str, tuple[str, TypeProgress]]:
    """By type: the last pull before this one that asked for it, and what came of it there."""
    return {one.type: (earlier.pk, one) for earlier in before(pull) for one in progress_of(earlier)}


def progress_together(pull: Pull) -> list[TypeProgress]:
    """Per type, what this pull and those it builds on have: a later answer takes the place of an earlier one."""
    earlier = {type_: one for type_, (_, one) in vouched_before(pull).items()}
    return list((earlier | {one.type: one for one in progress_of(pull)}).values())


def types_to_ask(pull: Pull) -> set[str] | None:
    """The types a retry asks for; None for all of them: no retry, or one of a pull that had not even a plan."""
    earlier = vouched_before(pull)
    if not earlier:
        return None
    return {type_ for type_, (_, one) in earlier.items() if one.status in LACKING}


def references_to_ask(pull: Pull) -> Iterator[tuple[str, str, bool]]:
    """What earlier pulls could not read, `(type, target, is a document)`; what is held by now is skipped as always."""
    unread = Reference.objects.filter(pull__in=before(pull), status__in=UNREAD).order_by("pk")
    return unread.values_list("resource_type", "target", "is_document").iterator()


def lacks_something(pull: Pull) -> bool:
    """Whether a settled pull, with those it builds on, leaves anything to ask for again."""
    if not pull.searches.exists() and pull.retry_of_id is None:
        return True
    lacking = any(one.status in LACKING for one in progress_together(pull))
    return lacking or pull.references.filter(status__in=UNREAD).exists()
