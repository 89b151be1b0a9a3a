"""Which fetches run, which wait for their moment: the bookkeeping of one pull's run."""

import heapq
import itertools
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, wait

from pulls.targets import Fetched

LONGEST_WAIT_SECONDS = 5.0


class Queue:
    """Targets under way, ready to go again, or due later."""

    def __init__(self):
        self.running: dict[Future, tuple[object, int]] = {}
        self._ready: deque = deque()
        self._later: list[tuple[float, int, object]] = []
        self._ticket = itertools.count()

    @property
    def is_empty(self) -> bool:
        return not (self.running or self._ready or self._later)

    def again(self, target, delay_seconds: float = 0) -> None:
        """Fetch the target once more, after a while."""
        if delay_seconds <= 0:
            self._ready.append(target)
        else:
            heapq.heappush(self._later, (time.monotonic() + delay_seconds, next(self._ticket), target))

    def next_ready(self):
        """A target whose time has come, or None."""
        if self._later and self._later[0][0] <= time.monotonic():
            return heapq.heappop(self._later)[2]
        return self._ready.popleft() if self._ready else None

    def collect(self) -> list[tuple[object, list[Fetched]]]:
        """Wait a little for answers; each comes with its target, which remembers the token that was used."""
        pause = min(LONGEST_WAIT_SECONDS, self._later[0][0] - time.monotonic()) if self._later else LONGEST_WAIT_SECONDS
        if not self.running:
            time.sleep(max(0.0, pause))
            return []
        done, _ = wait(self.running, timeout=max(0.0, pause), return_when=FIRST_COMPLETED)
        answers = []
        for call in done:
            target, token_version = self.running.pop(call)
            target.token_version = token_version
            answers.append((target, call.result()))
        return answers
