"""Keeping the first answer to an `Idempotency-Key` for 24 hours.

The key is leased in a transaction of its own; the handler's changes and its answer then commit together, so a crash in
between leaves either nothing but a lease that runs out, or the answer.
"""

import json
import math
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework.response import Response

from connect import idempotency
from connect.error_answers import as_api_error
from connect.errors import ApiError, ResourceConflict, envelope
from connect.organizations.models import IdempotentAnswer


def answer_once(*, caller, key: str, fingerprint: str, handler) -> Response:
    """The kept answer (with `Idempotent-Replayed: true`), or what `handler` answers now.

    Raises ResourceConflict when the key was used for another request or is still being worked on.
    """
    row = _lease(caller, key, fingerprint)
    if row.status is not None:
        headers = {idempotency.REPLAYED_HEADER: "true"}
        return Response(json.loads(row.body), status=row.status, headers=headers)
    try:
        with transaction.atomic():
            response = handler()
            _keep(row, response.status_code, response.data)
            return response
    except Exception as exception:
        _settle_failure(row, as_api_error(exception))
        raise


def _lease(caller, key: str, fingerprint: str) -> IdempotentAnswer:
    now = timezone.now()
    until = now + timedelta(seconds=idempotency.LEASE_SECONDS)
    try:
        with transaction.atomic():
            return IdempotentAnswer.objects.create(
                organization_id=caller.organization_id, environment=caller.environment, key=key,
                fingerprint=fingerprint, leased_until=until,
            )  # fmt: skip
    except IntegrityError:
        row = IdempotentAnswer.objects.of(caller).get_or_404(key=key)
    if row.created_at < now - timedelta(seconds=idempotency.KEPT_SECONDS):
        row.delete()
        return _lease(caller, key, fingerprint)
    if row.fingerprint != fingerprint:
        raise ResourceConflict("This Idempotency-Key was used for another request", param=idempotency.HEADER)
    if row.status is None:
        _take_over(row, now, until)
    return row


def _take_over(row: IdempotentAnswer, now, until) -> None:
    """A lease that ran out belongs to a request that died; one UPDATE decides who takes it."""
    rows = IdempotentAnswer.objects.filter(pk=row.pk, status=None, leased_until__lte=now)
    if rows.update(leased_until=until) != 1:
        wait = max(1, math.ceil((row.leased_until - now).total_seconds()))
        raise ResourceConflict(
            "A request with this Idempotency-Key is still being worked on", headers={"Retry-After": str(min(wait, 5))}
        )


def _keep(row: IdempotentAnswer, status: int, body) -> None:
    row.status, row.body = status, json.dumps(body)
    row.save(update_fields=["status", "body"])


def _settle_failure(row: IdempotentAnswer, error: ApiError) -> None:
    """Refusals are answers too and are kept; a fault of ours is not, so that the caller may try again."""
    if error.status >= 500:
        row.delete()
    else:
        _keep(row, error.status, envelope(error, None))
