"""Whose attempts run when: what keeps one slow or dead endpoint from delaying another's events.

Endpoints whose last attempt failed share a few threads of their own, and so do those that answer late: however many of
them are waited for, the others never wait for them. Among the rest none takes more than half of the free threads, and a thread serves the
endpoints in turn: a burst for one leaves room for the next one's first event.
"""

import functools
import queue
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.conf import settings

from webhooks.claims import Parcel
from webhooks.models import Endpoint
from webhooks.sending import Receipt, send

# An endpoint that fails fast must not be tried a thousand times a second for as long as its backlog lasts.
FAILING_PAUSE_SECONDS = 0.1
# An answer that took this long makes its endpoint one of the slow ones for a while.
SLOW_MS = 1000
SLOW_SECONDS = 60
# Parcels that wait behind each running attempt, so that threads are busy while the database is.
HEALTHY_AHEAD = 2


@functools.cache
def _threads(name: str, count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=f"webhook-{name}")


@dataclass
class Line:
    """One endpoint's parcels in this process: claimed and not yet back, of which some still wait for a thread."""

    waiting: deque[Parcel] = field(default_factory=deque)
    claimed: int = 0
    carriers: int = 0
    rests_until: float = 0.0


class Lane:
    """`size` threads shared by some endpoints, `per_endpoint` for one at most."""

    def __init__(self, name: str, *, size: int, per_endpoint: int, ahead: int, pause_seconds: float, receipts):
        self.threads = _threads(name, size)
        self.size, self.per_endpoint, self.ahead, self.pause_seconds = size, per_endpoint, ahead, pause_seconds
        self.receipts: queue.SimpleQueue[Receipt] = receipts
        self.lines: dict[str, Line] = {}
        self.carriers = 0
        self.lock = threading.Lock()

    def room_for(self, endpoint_id: str) -> int:
        """How many parcels of this endpoint may be claimed now."""
        line = self.lines.get(endpoint_id) or Line()
        if time.monotonic() < line.rests_until or self.carriers >= 2 * self.size:
            return 0
        return max(0, self._carriers_for(line) * (1 + self.ahead) - line.claimed)

    def _carriers_for(self, line: Line) -> int:
        """Threads it may keep busy: one in any case, which then waits its turn."""
        free = max(0, self.size - self.carriers)
        return max(1, min(self.per_endpoint, line.carriers + (free + 1) // 2))

    def carry(self, endpoint_id: str, parcels: list[Parcel]) -> None:
        """Send these parcels; each comes back as a receipt."""
        line = self.lines.setdefault(endpoint_id, Line())
        line.claimed += len(parcels)
        line.rests_until = time.monotonic() + self.pause_seconds
        with self.lock:
            line.waiting.extend(parcels)
            starting = max(0, min(len(line.waiting), self._carriers_for(line) - line.carriers))
            line.carriers += starting
            self.carriers += starting
        for _ in range(starting):
            self.threads.submit(self._carry_one, line)

    def _carry_one(self, line: Line) -> None:
        """A thread's turn: one parcel, then to the end of the queue, so that every endpoint gets its turn."""
        with self.lock:
            if not line.waiting:
                line.carriers -= 1
                self.carriers -= 1
                return
            parcel = line.waiting.popleft()
        self.receipts.put(send(parcel))
        self.threads.submit(self._carry_one, line)

    def give_back(self, endpoint_id: str) -> None:
        self.lines[endpoint_id].claimed -= 1


# When each endpoint that answered late may be thought quick again; of this process, since it only orders its threads.
_slow_until: dict[str, float] = {}


class Lanes:
    """The three lanes of one round: endpoints that answer, that answer late, and whose last attempt failed."""

    def __init__(self):
        threads, per_endpoint = settings.WEBHOOK_THREADS, settings.WEBHOOK_THREADS_PER_ENDPOINT
        aside = max(1, threads // 4)
        few = max(1, aside // 2)
        self.receipts: queue.SimpleQueue[Receipt] = queue.SimpleQueue()
        lane = functools.partial(Lane, receipts=self.receipts)
        self.healthy = lane(
            "healthy", size=max(1, threads - 2 * aside), per_endpoint=per_endpoint, ahead=HEALTHY_AHEAD, pause_seconds=0
        )
        self.slow = lane("slow", size=aside, per_endpoint=few, ahead=0, pause_seconds=0)
        self.failing = lane("failing", size=aside, per_endpoint=few, ahead=0, pause_seconds=FAILING_PAUSE_SECONDS)
        self.carried_in: dict[str, Lane] = {}
        self.is_landing = False

    def of(self, endpoint: Endpoint) -> Lane:
        if endpoint.failing_since:
            return self.failing
        return self.slow if _slow_until.get(endpoint.pk, 0) > time.monotonic() else self.healthy

    @property
    def in_flight(self) -> int:
        return len(self.carried_in)

    @property
    def has_long_ones(self) -> bool:
        """Whether attempts are in flight that may well take their five seconds."""
        return any(lane is not self.healthy for lane in self.carried_in.values())

    def rooms(self, endpoints: list[Endpoint]) -> dict[Endpoint, int]:
        """How many parcels of each may be claimed now; those with no room are left out."""
        if self.is_landing:
            endpoints = [endpoint for endpoint in endpoints if self.of(endpoint) is self.healthy]
        rooms = {endpoint: self.of(endpoint).room_for(endpoint.pk) for endpoint in endpoints}
        return {endpoint: room for endpoint, room in rooms.items() if room}

    def carry(self, parcels: list[Parcel]) -> None:
        by_endpoint: dict[Endpoint, list[Parcel]] = {}
        for parcel in parcels:
            by_endpoint.setdefault(parcel.endpoint, []).append(parcel)
        for endpoint, some in by_endpoint.items():
            lane = self.of(endpoint)
            self.carried_in |= dict.fromkeys((parcel.event_id for parcel in some), lane)
            lane.carry(endpoint.pk, some)

    def returned(self, *, wait_seconds: float, at_most: int) -> list[Receipt]:
        """Receipts that have come back, after waiting a moment for the first."""
        receipts: list[Receipt] = []
        try:
            receipts.append(self.receipts.get(timeout=wait_seconds))
            while len(receipts) < at_most:
                receipts.append(self.receipts.get_nowait())
        except queue.Empty:
            pass
        for receipt in receipts:
            self.carried_in.pop(receipt.parcel.event_id).give_back(receipt.parcel.endpoint.pk)
            _note_pace(receipt)
        return receipts


def _note_pace(receipt: Receipt) -> None:
    """Endpoints that answer late share threads of their own for a minute, or until they answer quickly."""
    if receipt.was_tried and receipt.duration_ms >= SLOW_MS:
        _slow_until[receipt.parcel.endpoint.pk] = time.monotonic() + SLOW_SECONDS
    else:
        _slow_until.pop(receipt.parcel.endpoint.pk, None)
