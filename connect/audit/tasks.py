"""Doorway for workers."""

from celery import shared_task

from connect.audit import walk
from connect.audit.chain import chain_all


@shared_task(name="connect.audit.chain")
def chain() -> None:
    """Give committed entries their places in the hash chain."""
    chain_all()


@shared_task(name="connect.audit.walk")
def walk_on() -> None:
    """Check the next stretch of the chain."""
    walk.go_on()
