"""Wrong API keys: past WRONG_KEYS_PER_MINUTE an address is told to come back, and its further guesses are not looked up.

Counted in the cache for all processes together, by IPv4 address or IPv6 /64. A key that worked within the last day is
looked up all the same, so that others behind one address go on; a key that was never used waits for the minute to end.
Without a cache nobody is counted, and nobody is turned away.
"""

import math
import time

import structlog
from django.conf import settings
from django.core.cache import cache

from connect import throttling
from connect.client_address import block_of
from connect.errors import Throttled

log = structlog.get_logger(__name__)

REMEMBERED = 10_000
WORKED_SECONDS = 24 * 3600
TOLD_AGAIN_SECONDS = 3600
MESSAGE = "Too many wrong API keys from this address"

# What this process knows: until when an address is shut, and when it last told the others that a key works.
_shut: dict[str, float] = {}
_told: dict[str, float] = {}


def refuse_if_shut(address: str | None, mark: str) -> None:
    """Raises Throttled for a key that is not known to work, from an address that sent too many wrong ones."""
    if not _shut:
        return
    block = block_of(address)
    seconds = _shut.get(block, 0) - time.time()
    if seconds > 0 and not _is_known(mark):
        raise Throttled(math.ceil(seconds), MESSAGE)


def count_wrong(address: str | None) -> None:
    """Note a key that nobody has; raises Throttled past the limit."""
    block = block_of(address)
    if block is None or not settings.WRONG_KEYS_PER_MINUTE:
        return
    used, reset_seconds = throttling.count(f"wrong-keys:{block}")
    if used > settings.WRONG_KEYS_PER_MINUTE:
        if used == settings.WRONG_KEYS_PER_MINUTE + 1:
            log.warning("api_key.guessing", address=block)
        _keep(_shut, block, time.time() + reset_seconds)
        raise Throttled(reset_seconds, MESSAGE)


def note_right(mark: str) -> None:
    """The key with this hash works: let every process know, once an hour."""
    now = time.time()
    if now - _told.get(mark, 0) < TOLD_AGAIN_SECONDS:
        return
    try:
        cache.set(f"known-key:{mark}", True, timeout=WORKED_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever the cache's library raises, the API goes on
        log.warning("wrong_keys.cache_unreachable", error=type(error).__name__)
        return
    _keep(_told, mark, now)


def forget() -> None:
    """Open every address again, in this process (the others do by themselves when the minute ends)."""
    _shut.clear()
    _told.clear()


def _is_known(mark: str) -> bool:
    try:
        return cache.get(f"known-key:{mark}") is not None
    except Exception as error:  # noqa: BLE001
        log.warning("wrong_keys.cache_unreachable", error=type(error).__name__)
        return True


def _keep(where: dict[str, float], name: str, at: float) -> None:
    if len(where) >= REMEMBERED:
        where.clear()
    where[name] = at
