"""Doorway for workers."""

from celery import shared_task

from connect.organizations import idempotent_answers


@shared_task(name="connect.organizations.prune")
def prune() -> None:
    """Forget answers to idempotency keys that are past their time."""
    idempotent_answers.prune()
