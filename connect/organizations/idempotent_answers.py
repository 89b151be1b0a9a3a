"""Keeping the first answer to an `Idempotency-Key` for 24 hours.

The key is leased in a transaction of its own; the handler's changes and its answer then commit together, so a crash in
between leaves either nothing but a lease that runs out, or the answer.
"""

import json
import math
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from rest_framework.response import Response

from connect import idempotency
from connect.error_answers import as_api_error
from connect.errors import ApiError, ResourceConflict, Throttled, envelope
from connect.organizations.models import IdempotentAnswer
from connect.statements import insert

KEPT = timedelta(seconds=idempotency.KEPT_SECONDS)
LEASE = timedelta(seconds=idempotency.LEASE_SECONDS)
TRIES = 3


def answer_once(*, caller, key: str, fingerprint: str, request_id: str, handler) -> Response:
    """The kept answer (with `Idempotent-Replayed: true`), or what `handler` answers now.

    Raises ResourceConflict when the key was used for another request or is still being worked on.
    """
    row = _lease(caller, key, fingerprint)
    if row.status is not None:
        return _replay(row, request_id)
    try:
        with transaction.atomic():
            response = handler()
            if not row.keep(response.status_code, response.data):
                raise _still_worked_on(LEASE)  # this one took so long that another took over
            return response
    except Exception as exception:
        _settle_failure(row, as_api_error(exception))
        raise


def prune() -> int:
    """Delete answers that are past their 24 hours; returns how many."""
    return IdempotentAnswer.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]


def _replay(row: IdempotentAnswer, request_id: str) -> Response:
    """The kept answer; an error tells the id of the request that is answered now (contract 1)."""
    body = json.loads(row.body)
    if row.status >= 400:
        body["error"]["request_id"] = request_id
    return Response(body, status=row.status, headers={idempotency.REPLAYED_HEADER: "true"})


def _lease(caller, key: str, fingerprint: str) -> IdempotentAnswer:
    for _ in range(TRIES):
        now = timezone.now()
        row = _insert(caller, key, fingerprint, now)
        if row is not None:
            return row
        row = _find(caller, key, now)
        if row is not None:  # else it was let go of between the two statements
            return _answered_or_taken_over(row, fingerprint, now)
    raise _still_worked_on(LEASE)


def _answered_or_taken_over(row: IdempotentAnswer, fingerprint: str, now: datetime) -> IdempotentAnswer:
    """Somebody's row, if it is an answer to this very request, or the lease of one that died on the way."""
    if row.fingerprint != fingerprint:
        raise ResourceConflict("This Idempotency-Key was used for another request", param=idempotency.HEADER)
    if row.status is None and not row.take_over(now=now, until=now + LEASE):
        raise _still_worked_on(row.leased_until - now)
    return row


def _insert(caller, key: str, fingerprint: str, now: datetime) -> IdempotentAnswer | None:
    """The row of a key that is new; None when somebody has it."""
    row = IdempotentAnswer(
        organization_id=caller.organization_id, environment=caller.environment, key=key, fingerprint=fingerprint,
        leased_until=now + LEASE, created_at=now,
    )  # fmt: skip
    return row if insert(row, unless_there=True) else None


def _find(caller, key: str, now: datetime) -> IdempotentAnswer | None:
    """The row that somebody has; one that is past its time is deleted and not found."""
    row = IdempotentAnswer.objects.of(caller).filter(key=key).first()
    if row is not None and row.created_at < now - KEPT:
        row.delete()
        return None
    return row


def _still_worked_on(for_at_most: timedelta) -> ResourceConflict:
    wait = min(5, max(1, math.ceil(for_at_most.total_seconds())))
    return ResourceConflict(
        "A request with this Idempotency-Key is still being worked on", headers={"Retry-After": str(wait)}
    )


def _settle_failure(row: IdempotentAnswer, error: ApiError) -> None:
    """Refusals are answers too and are kept. A fault of ours, or "not yet", is not: the caller is to try again."""
    if error.status >= 500 or isinstance(error, Throttled):
        row.release()
    else:
        row.keep(error.status, envelope(error, None))
