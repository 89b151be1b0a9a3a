"""Doorways for workers."""

from celery import shared_task

from connect.background import send
from pulls.exports import erase, sweep


@shared_task(name="pulls.exports.run_due")
def run_due() -> None:
    """Hand every due export to a worker."""
    for export_id in sweep.due_exports():
        send(run, export_id)


@shared_task(name="pulls.exports.run")
def run(export_id: str) -> None:
    """Work on one export."""
    sweep.run_one(export_id)


@shared_task(name="pulls.exports.erase_due")
def erase_due() -> None:
    """Take erased patients' lines out of our folders."""
    erase.erase_due()
