"""The delivery worker: claim what is due, send it on many threads, settle what came back, until nothing is due.

One thread talks to the database and many talk to receivers, so a delivery costs a few shared statements and one HTTP
call. Any number of workers, processes and hosts may drain at once: the claims keep them apart. A worker that dies
leaves leases that run out; its events are sent again under the same ids.
"""

import secrets
import threading
import time

import structlog
from django.db import DatabaseError
from django.utils import timezone

from webhooks import claims, sequence, settling, waking
from webhooks.lanes import Lanes

log = structlog.get_logger(__name__)

# While events keep coming the worker looks this often by itself, which is quicker and cheaper than being woken.
HOT_POLL_SECONDS = 0.01
COLD_POLL_SECONDS = 0.1
HOT_SECONDS = 0.3
STAY_AWAKE_EVERY_SECONDS = 0.5
# A round ends after this time, so that a worker can be stopped; the next follows at once.
ROUND_SECONDS = 60
GROUP = 100

_one_a_process = threading.Lock()


def drain(*, hot_seconds: float = HOT_SECONDS, round_seconds: float = ROUND_SECONDS) -> bool:
    """Deliver until nothing is due and nothing new has come for `hot_seconds`; True if the round's time ended first.

    Two threads of one process do not drain at once: the second returns, since the first keeps looking.
    """
    # The first may be past its last look: wait a moment before believing that it is at work.
    if not _one_a_process.acquire(timeout=0.2):
        return False
    try:
        return _Round(hot_seconds, round_seconds).run()
    finally:
        _one_a_process.release()


class _Round:
    """One run of `drain`: what is in flight, and how awake it is.

    Hot: events came a moment ago, so it looks every 10 ms and nobody needs to wake it. Cold: it waits for attempts
    that take long, and events wake a worker again.
    """

    def __init__(self, hot_seconds: float, round_seconds: float):
        self.hot_seconds = hot_seconds
        self.ends_at = time.monotonic() + round_seconds
        self.hot_until = 0.0
        self.is_awake = True
        self.told_at = 0.0
        self.lanes = Lanes()
        self.fence = secrets.randbits(63)

    def run(self) -> bool:
        """True when the round's time ended before its work did."""
        while time.monotonic() < self.ends_at:
            has_due = self._send_due()
            if self._is_hot:
                self._stay_awake()
            elif self.is_awake:
                self._fall_asleep()
                continue  # looks once more: what was committed before has not woken anybody
            elif not has_due and not self.lanes.in_flight:
                return False
            self._settle()
        self._land()
        self._fall_asleep()
        return True

    def _land(self) -> None:
        """End the round: what is in flight comes back, while quick endpoints are served as long as slow ones take."""
        self.lanes.is_landing = True
        while self.lanes.has_long_ones:
            self._send_due()
            self._settle()
        while self.lanes.in_flight:
            self._settle()

    @property
    def _is_hot(self) -> bool:
        return time.monotonic() < self.hot_until

    def _stay_awake(self) -> None:
        self.is_awake = True
        if time.monotonic() - self.told_at > STAY_AWAKE_EVERY_SECONDS:
            waking.stay_awake()
            self.told_at = time.monotonic()

    def _fall_asleep(self) -> None:
        waking.fall_asleep()
        self.is_awake, self.told_at = False, 0.0

    def _send_due(self) -> bool:
        """Number what is new, claim what there is room for and hand it to the threads; whether anything was due."""
        now = timezone.now()
        numbered = sequence.number_new_events()
        due = claims.due_endpoints(now)
        rooms = self.lanes.rooms(due)
        if rooms:
            self.lanes.carry(claims.claim(rooms, fence=self.fence, now=now, besides=self.lanes.carried_in))
        if numbered or any(not endpoint.failing_since for endpoint in rooms):
            self.hot_until = time.monotonic() + self.hot_seconds
        return bool(due)

    def _settle(self) -> None:
        """Wait for receipts, a moment at most, and write them down."""
        poll_seconds = HOT_POLL_SECONDS if self._is_hot else COLD_POLL_SECONDS
        receipts = self.lanes.returned(wait_seconds=poll_seconds, at_most=GROUP)
        if not receipts:
            return
        try:
            settling.settle(receipts)
        except DatabaseError as error:  # the leases run out and the events are sent again
            log.error("webhooks.settling_failed", events=len(receipts), error=type(error).__name__)
