"""Doorways for workers."""

from celery import shared_task

from connect.background import send
from pulls import sweep


@shared_task(name="pulls.run_due")
def run_due() -> None:
    """Queue scheduled pulls and hand every due one to a worker."""
    sweep.queue_scheduled()
    for pull_id in sweep.due_pulls():
        send(run, pull_id)


@shared_task(name="pulls.run")
def run(pull_id: str) -> None:
    """Work on one pull."""
    sweep.run_one(pull_id)
