"""Connect: patient-authorised health records."""

from connect.celery import app as celery_app

__all__ = ["celery_app"]
