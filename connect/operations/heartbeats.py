"""Who is alive: beat by the roll call it sends, workers by answering it, one answer a queue and host.

An answer travels the whole way that work travels (beat, broker, queue, worker, database), so silence tells of any of
them; its waiting time is how long work waits for a free worker.
"""

import socket
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from connect.operations.models import Heartbeat

log = structlog.get_logger(__name__)

BEAT = "beat"
SILENT_AFTER = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_WAIT_MS = 2**31 - 1  # what the column holds; clocks may differ by more
ROLL_CALL_EXPIRES_SECONDS = 30


@dataclass(frozen=True)
class Sign:
    """When one part was last seen; `seen_at` is None when it never was."""

    part: str
    seen_at: datetime | None
    wait_ms: int = 0

    @property
    def is_alive(self) -> bool:
        return self.seen_at is not None and timezone.now() - self.seen_at < SILENT_AFTER

    @property
    def name(self) -> str:
        return self.part.removeprefix("queue:")


def queues() -> list[str]:
    """Every queue that some task is routed to."""
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    return sorted(routed | {settings.CELERY_TASK_DEFAULT_QUEUE})


def call_the_roll(answer_task) -> None:
    """Beat is alive; ask a worker of every queue to answer. Runs every few seconds."""
    note(BEAT)
    for queue in queues():
        try:
            answer_task.apply_async(args=[queue, time.time()], queue=queue, expires=ROLL_CALL_EXPIRES_SECONDS)
        except (OperationalError, OSError) as error:
            log.warning("broker.unreachable", queue=queue, error=type(error).__name__)
    Heartbeat.objects.filter(seen_at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def answer(queue: str, sent_at: float) -> None:
    """A worker of this queue is alive; `sent_at` is the roll call's time in seconds since 1970."""
    waited_ms = round((time.time() - sent_at) * 1000)
    note(f"queue:{queue}", wait_ms=min(max(0, waited_ms), LONGEST_WAIT_MS))


def note(part: str, *, wait_ms: int = 0) -> None:
    """Remember that this host's `part` was seen now."""
    Heartbeat.objects.update_or_create(
        part=part, host=socket.gethostname(), defaults={"seen_at": timezone.now(), "wait_ms": wait_ms}
    )


def signs() -> list[Sign]:
    """The freshest sign of life of beat and of every queue, in that order."""
    latest: dict[str, Heartbeat] = {}
    for row in Heartbeat.objects.order_by("seen_at"):
        latest[row.part] = row
    parts = [BEAT, *(f"queue:{queue}" for queue in queues())]
    return [
        Sign(part, latest[part].seen_at, latest[part].wait_ms) if part in latest else Sign(part, None) for part in parts
    ]
