"""What is due on the portal side: refreshes by the thousand, ends of access, and the notices before them.

One thread talks to the database and many talk to portals, so a refresh costs a few shared statements and one HTTP call.
Any number of workers may sweep at once: claims keep them apart, and rows another is claiming are passed over.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from portals import circuits, timing
from portals.circuits import Rest
from portals.exchanges import Request, ask
from portals.models import Advance, Connection, Source
from portals.payloads import emit_connection_event
from portals.refresh import claim, prepare
from portals.settling import lapse, settle_together
from webhooks.event_types import CONNECTION_EXPIRING

log = structlog.get_logger(__name__)

BATCH = 200
# A round ends after this time, so that a worker can be stopped; the next follows at once.
ROUND_SECONDS = 60
ENDING_BATCH = 200

# Rows of resting portals that one look puts off, and how often it looks, so that they do not hold up the others.
PUT_OFF_BATCH = 1000
PUT_OFF_EVERY_SECONDS = 1.0
PUT_OFF_SPREAD_SECONDS = 60
KNOWN_SECONDS = 1.0
PUT_OFF_AT_ONCE = 50
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
    """Claim, ask on many threads, settle; no portal has more in hand than a quarter of the threads."""

    def __init__(self, threads: ThreadPoolExecutor, round_seconds: float):
        self.threads, self.size = threads, settings.REFRESH_THREADS
        self.per_portal = max(1, self.size // 4)
        self.ends_at = time.monotonic() + round_seconds
        self.puts_off_at = self.knows_until = 0.0
        self.flying: dict[Future, Request] = {}
        self.at_portal: Counter = Counter()

    def run(self) -> bool:
        try:
            while not (is_over := time.monotonic() > self.ends_at) and (self.send_more() or self.flying):
                self.settle_returned()
        finally:  # whatever happened: an answer that is not settled is a token lost
            while self.flying:
                self.settle_returned()
        return is_over

    def send_more(self) -> bool:
        """Claim for every thread one more than it has in hand, in no small change; False when nothing was due that may be
        sent. A claim waits for a thread no longer than a request takes, and its lease allows for that."""
        room = 2 * self.size - len(self.flying)
        if room < self.size:
            return True
        chosen = self.choose(room)
        for request in prepare(claim(chosen), known=self.known_circuits()) if chosen else []:
            future = self.threads.submit(ask, request)
            self.flying[future] = request
            self.at_portal[circuits.key_of(request.connection.source)] += 1
        return bool(chosen)

    def known_circuits(self) -> set[str]:
        """As they were a moment ago: a circuit that has just been made is open, and those at rest are looked for each time."""
        if time.monotonic() >= self.knows_until:
            self.known, self.knows_until = circuits.known(), time.monotonic() + KNOWN_SECONDS
        return self.known

    def choose(self, room: int) -> list[str]:
        """The longest due, with a share a portal; what is due at resting portals is put off."""
        now = timezone.now()
        due = Connection.objects.due(now).annotate(portal=PORTAL).order_by("refresh_due_at")
        rest = circuits.resting(now)
        if rest and time.monotonic() >= self.puts_off_at:
            self.puts_off_at = time.monotonic() + PUT_OFF_EVERY_SECONDS
            put_off(due, rest)
        return self.fair_share(due, room, passed_over=set(rest))

    def fair_share(self, due: QuerySet, room: int, *, passed_over: set[str]) -> list[str]:
        """Up to `room` ids. A portal that has its share is passed over, so that its many rows do not hide the others'."""
        chosen: dict[str, None] = {}
        share = Counter(self.at_portal)
        while len(chosen) < room:
            full = {portal for portal, count in share.items() if count >= self.per_portal}
            rows = list(due.exclude(portal__in=passed_over | full).values_list("pk", "portal")[:BATCH])
            fresh = [(pk, portal) for pk, portal in rows if pk not in chosen]
            for pk, portal in fresh:
                if share[portal] < self.per_portal and len(chosen) < room:
                    share[portal] += 1
                    chosen[pk] = None
            if len(rows) < BATCH or not fresh:
                break
        return list(chosen)

    def settle_returned(self) -> None:
        done, _ = wait(self.flying, timeout=1, return_when=FIRST_COMPLETED) if self.flying else ((), ())
        for future in done:
            self.at_portal[circuits.key_of(self.flying.pop(future).connection.source)] -= 1
        settle_together([future.result() for future in done])


def put_off(due: QuerySet, rest: dict[str, Rest]) -> None:
    """Bring rows of resting portals back afterwards, spread out. Those that a budget will let through soon stay due."""
    by_portal = defaultdict(list)
    for pk, portal in due.filter(portal__in=rest).values_list("pk", "portal")[:PUT_OFF_BATCH]:
        by_portal[portal].append(pk)
    for portal, pks in by_portal.items():
        per_minute = rest[portal].per_minute
        spread = max(PUT_OFF_SPREAD_SECONDS, len(pks) * 60 / per_minute if per_minute else 0)
        _bring_back(pks[per_minute or 0 :], rest[portal].until, spread)


def _bring_back(pks: list[str], after: datetime, spread_seconds: float) -> None:
    for start in range(0, len(pks), PUT_OFF_AT_ONCE):
        back_at = after + timedelta(seconds=random.uniform(1, spread_seconds))
        some = pks[start : start + PUT_OFF_AT_ONCE]
        Connection.objects.due(timezone.now()).filter(pk__in=some).update(refresh_due_at=back_at)


def end_due() -> int:
    """End access whose consent had a known end that has come, and announce ends that are near; how many rows.

    Sources whose successor has taken over are offered no longer.
    """
    now = timezone.now()
    Source.objects.moved_away(now).withdraw()
    active = Connection.objects.filter(status=Connection.Status.ACTIVE).select_related("patient", "source")
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


def to_live_through() -> list[str]:
    """The sandbox connections that have time to live through: an advance whose message was lost is not lost."""
    return list(Advance.objects.values_list("connection_id", flat=True).distinct()[:BATCH])
