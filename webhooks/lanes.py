"""Who may have how many attempts in flight: what keeps one slow or dead endpoint from delaying another's events.

Endpoints whose last attempt failed share a few threads of their own, so however many of them wait for a time-out, the
others never wait for them. Among the rest nobody takes more than half of what is free: a burst for one endpoint leaves
room for the next one's first event.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

from webhooks.models import Endpoint

# An endpoint that fails fast must not be tried a thousand times a second for as long as its backlog lasts.
FAILING_PAUSE_SECONDS = 0.1


@dataclass
class Lane:
    """Room for `size` attempts, at most `per_endpoint` of them for one endpoint, which then rests for a pause."""

    size: int
    per_endpoint: int
    pause_seconds: float = 0
    in_flight: Counter = field(default_factory=Counter)
    rests_until: dict[str, float] = field(default_factory=dict)

    def room_for(self, endpoint_id: str, promised: int = 0) -> int:
        """Attempts that may begin now, when `promised` others are about to."""
        if time.monotonic() < self.rests_until.get(endpoint_id, 0):
            return 0
        free = self.size - self.in_flight.total() - promised
        fair_share = (free + 1) // 2
        return max(0, min(self.per_endpoint - self.in_flight[endpoint_id], fair_share))

    def take(self, endpoint_id: str) -> None:
        self.in_flight[endpoint_id] += 1
        if self.pause_seconds:
            self.rests_until[endpoint_id] = time.monotonic() + self.pause_seconds

    def give_back(self, endpoint_id: str) -> None:
        self.in_flight[endpoint_id] -= 1
        if not self.in_flight[endpoint_id]:
            del self.in_flight[endpoint_id]


class Lanes:
    """The two lanes of one worker: endpoints that answer, and endpoints whose last attempt failed."""

    def __init__(self, threads: int, per_endpoint: int):
        failing = max(1, threads // 4)
        self.healthy = Lane(max(1, threads - failing), per_endpoint)
        self.failing = Lane(failing, max(1, failing // 2), FAILING_PAUSE_SECONDS)

    def of(self, endpoint: Endpoint) -> Lane:
        return self.failing if endpoint.failing_since else self.healthy

    @property
    def in_flight(self) -> int:
        return self.healthy.in_flight.total() + self.failing.in_flight.total()

    def rooms(self, endpoints: list[Endpoint]) -> dict[Endpoint, int]:
        """How many attempts each may begin now; those that may begin none are left out."""
        rooms: dict[Endpoint, int] = {}
        promised: Counter = Counter()
        for endpoint in endpoints:
            lane = self.of(endpoint)
            room = lane.room_for(endpoint.pk, promised[id(lane)])
            if room:
                rooms[endpoint] = room
                promised[id(lane)] += room
        return rooms
