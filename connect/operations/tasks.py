"""Doorways for workers."""

from celery import shared_task

from connect.operations import alert_notices, alerts, heartbeats, retention, tallies


@shared_task(name="connect.operations.answer_roll_call")
def answer_roll_call(queue: str, sent_at: float) -> None:
    """Runs on the queue it names."""
    heartbeats.answer(queue, sent_at)


@shared_task(name="connect.operations.heartbeat")
def heartbeat() -> None:
    """Beat is alive; ask every queue for its sign of life."""
    heartbeats.call_the_roll(answer_roll_call)


@shared_task(name="connect.operations.tally")
def tally() -> None:
    """Count the hours that are over."""
    tallies.close_hours()


@shared_task(name="connect.operations.prune")
def prune() -> None:
    """Forget what is past its retention."""
    retention.prune()


@shared_task(name="connect.operations.watch")
def watch() -> None:
    """Raise and resolve alerts, and send what is to be told."""
    alerts.check()
    alert_notices.send_due()
