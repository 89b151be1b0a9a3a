"""The retry schedule as data (contract 6.2): nine attempts over 3.6 days, each wait jittered up to +10 %."""

import random
from datetime import timedelta

DELAYS = (
    timedelta(0), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2),
    timedelta(hours=12), timedelta(hours=24), timedelta(hours=24), timedelta(hours=24),
)  # fmt: skip
ATTEMPTS = len(DELAYS)
JITTER = 0.10


def next_delay(*, tries_left: int) -> timedelta | None:
    """The wait before the next attempt when `tries_left` remain, or None when none does."""
    if tries_left <= 0:
        return None
    return DELAYS[ATTEMPTS - tries_left] * (1 + random.uniform(0, JITTER))
