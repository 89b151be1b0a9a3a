"""What is due on the portal side: refreshes by the thousand, ends of access, and the notices before them.

One thread talks to the database and many talk to portals, so a refresh costs a few shared statements and one HTTP call.
Any number of workers may sweep at once: claims keep them apart, and rows another is claiming are passed over.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from portals import circuits, timing
from portals.models import Connection
from portals.payloads import emit_connection_event
from portals.refresh import Answer, Request, ask, claim, lapse, prepare, settle
from webhooks.event_types import CONNECTION_EXPIRING

log = structlog.get_logger(__name__)

BATCH = 200
# A round ends after this time, so that a worker can be stopped; the next follows at once.
ROUND_SECONDS = 60
ENDING_BATCH = 200

# How many batches a look puts off, so that a dead portal's many rows do not hold up the others.
PUT_OFF_BATCHES = 5
PUT_OFF_SPREAD_SECONDS = 60
PORTAL = Coalesce(NullIf("source__rate_limit_group", Value("")), "source_id")

_one_a_process = threading.Lock()


def refresh_due(*, round_seconds: float = ROUND_SECONDS) -> bool:
    """Refresh until nothing is due; True if the round's time ended first. Two threads of a process do not sweep at once."""
    if not _one_a_process.acquire(blocking=False):
        return False
    try:
        with ThreadPoolExecutor(settings.REFRESH_THREADS, thread_name_prefix="refresh") as threads:
            return _Round(threads, round_seconds).run()
    finally:
        _one_a_process.release()


class _Round:
    """Claim, ask on many threads, settle; no portal holds more than a quarter of the threads."""

    def __init__(self, threads: ThreadPoolExecutor, round_seconds: float):
        self.threads, self.size = threads, settings.REFRESH_THREADS
        self.per_portal = max(1, self.size // 4)
        self.ends_at = time.monotonic() + round_seconds
        self.flying: dict[Future, Request] = {}
        self.at_portal: Counter = Counter()

    def run(self) -> bool:
        while True:
            is_over = time.monotonic() > self.ends_at
            found = False if is_over else self.send_more()
            if not self.flying:
                if not found:
                    return is_over
                continue
            self.settle_returned()

    def send_more(self) -> bool:
        """Claim as many as there are free threads; False when nothing was due that may be sent."""
        room = self.size - len(self.flying)
        chosen = self.choose(room) if room else []
        if not chosen:
            return False
        for request in prepare(claim(chosen)):
            future = self.threads.submit(ask, request)
            self.flying[future] = request
            self.at_portal[circuits.key_of(request.connection.source)] += 1
        return True

    def choose(self, room: int) -> list[str]:
        """The longest due, with a share a portal; what is due at portals to be left alone is put off."""
        now = timezone.now()
        due = Connection.objects.due(now).annotate(portal=PORTAL).order_by("refresh_due_at")
        shut = circuits.open_circuits(now)
        full = [portal for portal, count in self.at_portal.items() if count >= self.per_portal]
        rows = due.exclude(portal__in=[*full, *shut]).values_list("pk", "portal")[:BATCH]
        chosen = self.fair_share(rows, room)
        for portal, until in shut.items():
            put_off(due.filter(portal=portal), until)
        return chosen

    def fair_share(self, rows, room: int) -> list[str]:
        chosen, more = [], Counter(self.at_portal)
        for pk, portal in rows:
            if len(chosen) < room and more[portal] < self.per_portal:
                more[portal] += 1
                chosen.append(pk)
        return chosen

    def settle_returned(self) -> None:
        done, _ = wait(self.flying, timeout=1, return_when=FIRST_COMPLETED)
        for future in done:
            request = self.flying.pop(future)
            self.at_portal[circuits.key_of(request.connection.source)] -= 1
            self.settle_one(future.result())

    def settle_one(self, answer: Answer) -> None:
        try:
            settle(answer)
        except DatabaseError as error:  # the lease runs out, and the row is found uncertain
            log.error("refresh.settling_failed", error=type(error).__name__)


def put_off(due: QuerySet, until: datetime) -> None:
    """Bring rows of a portal that is to be left alone back after `until`, spread, a batch a statement."""
    for _ in range(PUT_OFF_BATCHES):
        ids = list(due.values_list("pk", flat=True)[:BATCH])
        back_at = until + timedelta(seconds=random.uniform(1, PUT_OFF_SPREAD_SECONDS))
        Connection.objects.due(timezone.now()).filter(pk__in=ids).update(refresh_due_at=back_at)
        if len(ids) < BATCH:
            return


def end_due() -> int:
    """End access whose consent had a known end that has come, and announce ends that are near; how many rows."""
    now = timezone.now()
    active = Connection.objects.filter(status=Connection.Status.ACTIVE).select_related("patient")
    ended = list(active.filter(access_ends_at__lte=now).order_by("access_ends_at")[:ENDING_BATCH])
    for connection in ended:
        lapse(connection)
    is_near = active.filter(access_ends_at__gt=now, access_ends_at__lte=now + timing.EXPIRY_NOTICE)
    near = list(is_near.filter(expiry_announced_at=None).order_by("access_ends_at")[:ENDING_BATCH])
    for connection in near:
        announce(connection)
    return len(ended) + len(near)


@transaction.atomic
def announce(connection: Connection) -> None:
    """Tell once that access ends within seven days (`connection.expiring`)."""
    if connection.announce_expiry():
        emit_connection_event(CONNECTION_EXPIRING, connection)
