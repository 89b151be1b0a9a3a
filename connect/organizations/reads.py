"""Reads of personal data over the API, in the audit log: one entry a key, kind of read, patient and day (UTC).

The first read of a day writes its entry before anything is answered; later ones cost nothing in the process that wrote or
saw it. Two processes at the very same moment may write one each: never none.
"""

import threading
from datetime import date, datetime

from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.audit.models import Entry
from connect.organizations.models import ApiKey, Patient

REMEMBERED = 50_000


class _Noted:
    """What this process knows to be on record today: bounded, and forgotten with the day."""

    def __init__(self):
        self.day: date | None = None
        self.reads: set[tuple[str, ...]] = set()
        self.lock = threading.Lock()

    def has(self, day: date, read: tuple[str, ...]) -> bool:
        return self.day == day and read in self.reads

    def add(self, day: date, read: tuple[str, ...]) -> None:
        with self.lock:
            if self.day != day or len(self.reads) >= REMEMBERED:
                self.day, self.reads = day, set()
            self.reads.add(read)


_noted = _Noted()


def note_read(action: str, *, key: ApiKey, by: Actor, patient: Patient | None = None) -> None:
    """Have `action` by this key on record today, of this patient or (None) of many. Call it before answering."""
    object_type, object_id = ("patient", patient.pk) if patient else ("api_key", key.pk)
    now, read = timezone.now(), (action, key.pk, object_id)
    if _noted.has(now.date(), read):
        return
    if not _is_on_record(action, key, object_type, object_id, now):
        record(
            action=action, by=by, organization_id=key.organization_id, environment=key.environment,
            object_type=object_type, object_id=object_id,
        )  # fmt: skip
    _noted.add(now.date(), read)


def _is_on_record(action: str, key: ApiKey, object_type: str, object_id: str, now: datetime) -> bool:
    entries = Entry.objects.filter(object_type=object_type, object_id=object_id, action=action, actor=key.pk)
    last = entries.order_by("-id").values_list("at", flat=True).first()
    return last is not None and last.date() >= now.date()
