"""One attempt: sign the very bytes, POST them, and say what came of it. Knows the network and no database."""

import time
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.utils import timezone

from connect import outbound
from webhooks.claims import Parcel

log = structlog.get_logger(__name__)

MAX_KEPT_BYTES = 4 * 1024
# Our own limits were reached and nothing was sent: no attempt.
NOT_TRIED = "busy"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an attempt. `error` is a slug, empty when a 2xx came in time."""

    parcel: Parcel
    started_at: datetime
    duration_ms: int
    status_code: int | None = None
    response_body: str | None = field(default=None, repr=False)
    error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error

    @property
    def was_tried(self) -> bool:
        return self.error != NOT_TRIED


def send(parcel: Parcel) -> Receipt:
    """Make the attempt: 5 s in all, no redirect followed, at most 4 KB of the answer kept. Raises nothing."""
    started_at, started = timezone.now(), time.perf_counter()
    if parcel.is_stale:
        return Receipt(parcel, started_at, 0, error=NOT_TRIED)
    outcome = _attempt(parcel, int(started_at.timestamp()))
    return Receipt(parcel, started_at, round((time.perf_counter() - started) * 1000), **outcome)


def _attempt(parcel: Parcel, timestamp: int) -> dict:
    try:
        answer = outbound.request(
            "POST", parcel.endpoint.url, headers=parcel.headers(timestamp), body=parcel.body, policy=outbound.WEBHOOK
        )
    except outbound.OutboundError as error:
        return {"error": error.reason}
    except Exception as error:  # a fault of ours must not keep the thread's place for ever
        log.exception("webhooks.attempt_broke", error=type(error).__name__)
        return {"error": "internal"}
    accepted = 200 <= answer.status <= 299
    return {
        "status_code": answer.status,
        "response_body": _text(answer.body),
        "error": "" if accepted else "redirect" if 300 <= answer.status <= 399 else "status",
    }


def _text(body: bytes) -> str:
    """The answer as text that every database can hold, 4 KB at most however it was encoded."""
    text = body[:MAX_KEPT_BYTES].decode(errors="replace").replace("\x00", "")
    return text.encode()[:MAX_KEPT_BYTES].decode(errors="ignore")
