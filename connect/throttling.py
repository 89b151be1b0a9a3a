"""A rate limit per API key: a fixed window of a minute counted in the cache, told in the IETF draft's header fields.

`RateLimit-Policy: "default";q=<quota>;w=60` and `RateLimit: "default";r=<remaining>;t=<seconds to reset>`
(draft-ietf-httpapi-ratelimit-headers). Losing the cache forgives a minute and nothing else; while it cannot be reached
nobody is counted, and nobody is turned away.
"""

import time
from dataclasses import dataclass

import structlog
from django.core.cache import cache

from connect.errors import Throttled

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Allowance:
    """What is left of the window for one caller."""

    quota: int
    remaining: int
    reset_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Policy": f'"default";q={self.quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


def spend(caller: str, quota: int) -> Allowance:
    """Count one request of `caller`; raises Throttled (with its headers) past `quota` a minute."""
    used, reset_seconds = count(caller)
    allowance = Allowance(quota, max(0, quota - used), reset_seconds)
    if used > quota:
        throttled = Throttled(reset_seconds)
        throttled.headers |= allowance.headers
        raise throttled
    return allowance


def count(caller: str) -> tuple[int, int]:
    """Count one more of `caller`: how many the window has seen, and seconds to its end."""
    now = time.time()
    return _count(f"rate:{caller}:{int(now // WINDOW_SECONDS)}"), WINDOW_SECONDS - int(now % WINDOW_SECONDS)


def _count(key: str) -> int:
    try:
        return _counted(key)
    except Exception as error:  # noqa: BLE001 - whatever the cache's library raises, the API goes on
        log.warning("throttling.cache_unreachable", error=type(error).__name__)
        return 0


def _counted(key: str) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # the first request of this window, or one beside it
        return 1 if cache.add(key, 1, timeout=WINDOW_SECONDS * 2) else cache.incr(key)
