"""When a refresh is due, and when it is tried again: durations as data."""

import random
from datetime import datetime, timedelta

SHORTEST_MARGIN = timedelta(minutes=1)
LONGEST_MARGIN = timedelta(minutes=15)
# An idle grant is used at least this often: refresh tokens of three months are kept alive by use.
KEEP_ALIVE = timedelta(days=7)
# A portal that does not tell a lifetime is asked anew daily; 401 says when that was too late.
UNTOLD = timedelta(hours=24)

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
# Soon, while the portal may still be lenient with a token that it has just replaced.
UNCERTAIN_RETRY = timedelta(seconds=5)
SUSPECT_RETRY = timedelta(minutes=1)
CLIENT_FAULT_RETRY = timedelta(minutes=5)

# However short a token's life: more often than this is no use to anybody, and 401 says when one is needed.
SHORTEST_INTERVAL = timedelta(seconds=30)

EXPIRY_NOTICE = timedelta(days=7)


def expires_at(now: datetime, expires_in_seconds: int | None) -> datetime | None:
    """When an access token that lives this long ends; None if the portal did not say."""
    return None if expires_in_seconds is None else now + timedelta(seconds=expires_in_seconds)


def refresh_due_at(now: datetime, expires_in_seconds: int | None) -> datetime:
    """When to refresh: one to two margins before expiry, at random, so that grants of one second spread out.

    The margin is a tenth of the life, 1 to 15 minutes, and for short lives a quarter of it.
    """
    if expires_in_seconds is None:
        return now + UNTOLD * random.uniform(0.8, 1)
    life = timedelta(seconds=expires_in_seconds)
    margin = min(max(life / 10, SHORTEST_MARGIN), LONGEST_MARGIN, life / 4)
    due = min(life - margin * random.uniform(1, 2), KEEP_ALIVE * random.uniform(0.8, 1))
    return now + max(due, SHORTEST_INTERVAL * random.uniform(1, 1.5))


def retry_at(now: datetime, failures: int, *, first: timedelta = FIRST_RETRY, asked_seconds: float | None = None):
    """When to try again after so many failures in a row: doubling, jittered, and never before the portal asked us to."""
    doubled = min(first * 2 ** min(failures, 10), LONGEST_RETRY)
    jittered = doubled * random.uniform(0.5, 1)
    return now + max(jittered, timedelta(seconds=asked_seconds or 0))
