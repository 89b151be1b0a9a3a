"""Taking a pull and keeping it (pulls.leases).

Every transaction that writes for a pull calls `pull.hold()` (after locking the patient's head row, where it does): the
pull's row is then locked, so a cancel waits for the page, or the page finds that it was canceled and is rolled back.
"""

from datetime import timedelta

from django.utils import timezone

from pulls.models import Pull

RENEW_AFTER = timedelta(seconds=20)


def claim(pull_id: str) -> Pull | None:
    """Take a due pull with all that working on it reads; None when it is not due, or another worker was quicker."""
    return Pull.claim(pull_id, "connection__source", "connection__registration", "patient")


def renew_if_old(pull: Pull) -> None:
    """Keep the lease alive between pages."""
    if pull.leased_until - timezone.now() < pull.LEASE - RENEW_AFTER:
        pull.hold()
