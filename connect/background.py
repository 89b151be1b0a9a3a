"""Waking workers: after commit, and without ever failing the change because the broker is away (law 1)."""

import functools

import structlog
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def wake(task, *args) -> None:
    """Send the task once the current transaction has committed.

    A lost wake-up costs latency only: the row is due, and the next sweep finds it.
    """
    transaction.on_commit(functools.partial(send, task, *args))


def send(task, *args) -> None:
    """Send the task now; an unreachable broker is logged, never raised."""
    try:
        task.delay(*args)
    except (OperationalError, OSError) as error:
        log.warning("broker.unreachable", task=task.name, error=type(error).__name__)
