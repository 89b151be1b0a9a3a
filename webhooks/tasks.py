"""Doorways for workers."""

from celery import shared_task

from webhooks import deliver, pruning


@shared_task(name="webhooks.deliver_due")
def deliver_due() -> None:
    """Send every event that is due."""
    if deliver.drain():
        deliver_due.delay()


@shared_task(name="webhooks.prune")
def prune() -> None:
    """Delete attempts and events that are past their time."""
    pruning.prune()
