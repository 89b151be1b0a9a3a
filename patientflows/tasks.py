"""Doorways for workers."""

from celery import shared_task

from patientflows import expire


@shared_task(name="patientflows.expire_due")
def expire_due() -> None:
    """End links and attempts whose time has run out."""
    expire.expire_due()
