"""When a call is made again, and after how long a wait."""

import random
from dataclasses import dataclass

import httpx

# 502 is the portal's or a destination's fault and 500 ours: both may be gone a moment later.
PASSING = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Retries:
    """At most `count` more tries. Waits double from `first_seconds`; the server's `Retry-After` goes before.

    A wait longer than `longest_seconds` is not sat out: the caller gets the error, which says how long it is.
    """

    count: int = 2
    first_seconds: float = 0.5
    longest_seconds: float = 30.0

    def wait_seconds(self, tried: int, outcome: httpx.Response | httpx.TransportError) -> float | None:
        """How long to wait before the next try, or None: the outcome stands. `tried` counts from 1."""
        if tried > self.count or not _is_passing(outcome):
            return None
        asked = None if isinstance(outcome, httpx.TransportError) else retry_after_seconds(outcome)
        if asked is not None:
            return asked if asked <= self.longest_seconds else None
        most = min(self.longest_seconds, self.first_seconds * 2 ** (tried - 1))
        return random.uniform(most / 2, most)


def _is_passing(outcome: httpx.Response | httpx.TransportError) -> bool:
    if isinstance(outcome, httpx.TransportError):
        return not isinstance(outcome, httpx.UnsupportedProtocol)
    # A conflict passes when its answer names a wait: the first request with this Idempotency-Key is still at work.
    return outcome.status_code in PASSING or (outcome.status_code == 409 and "retry-after" in outcome.headers)


def retry_after_seconds(response: httpx.Response) -> float | None:
    """The wait the server asks for, in whole seconds as the API has it."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None
