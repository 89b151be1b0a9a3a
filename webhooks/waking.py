"""Waking the delivery worker at most once for many events.

One key in the cache says "somebody is about to look": whoever set it sent the wake-up, or is a worker that looks every
few milliseconds anyway. A worker removes the key first and looks once more afterwards, so an event committed at any
moment is either seen or sends a wake-up. Losing cache, broker or message costs seconds: the sweep finds what is due.
"""

import functools

import structlog
from django.core.cache import cache
from django.db import transaction

log = structlog.get_logger(__name__)

KEY = "webhooks:awake"
AWAKE_SECONDS = 2


def wake_after_commit(task) -> None:
    """Have `task` run soon after the current transaction commits; never fails the change (DESIGN law 1)."""
    transaction.on_commit(functools.partial(_wake, task), robust=True)


def _wake(task) -> None:
    if cache.add(KEY, 1, timeout=AWAKE_SECONDS):
        task.delay()


def stay_awake() -> None:
    """A worker is looking every few milliseconds: nobody needs to wake one."""
    _tell(functools.partial(cache.set, KEY, 1, timeout=AWAKE_SECONDS))


def fall_asleep() -> None:
    """From here on events wake a worker again; look once more after this."""
    _tell(functools.partial(cache.delete, KEY))


def _tell(write) -> None:
    try:
        write()
    except Exception as error:  # noqa: BLE001 - whatever the cache's library raises, deliveries go on
        log.warning("webhooks.cache_unreachable", error=type(error).__name__)
