"""Rows that one worker at a time works on: a lease that runs out and a fence that moves with every claim (DESIGN law 1).

A worker whose lease ran out may still be alive. Every write it makes is guarded by its fence, so it can do no harm.
"""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from connect.states import Transitions


class LeaseLost(Exception):
    """Another worker has the row, or it was canceled: stop, and write nothing more."""


class Leased(Transitions, models.Model):
    """A run that is due at a time, works under a lease, and may wait. Its statuses hold queued, running and waiting."""

    LEASE: ClassVar[timedelta]
    OPEN = ("queued", "running", "waiting")

    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    give_up_at = models.DateTimeField(null=True)
    waiting_for = models.CharField(max_length=60, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @classmethod
    def due(cls, now: datetime) -> models.QuerySet[Self]:
        """Open rows that nobody works on and whose time has come."""
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        return cls._default_manager.filter(free, status__in=cls.OPEN, due_at__lte=now)

    @classmethod
    def claim(cls, pk: str, *related: str) -> Self | None:
        """Take a due row, read with `related`; None when it is not due, or another worker was quicker."""
        now = timezone.now()
        row = cls.due(now).select_related(*related).filter(pk=pk).first()
        if row is None:
            return None
        taken = cls.due(now).filter(pk=pk, fence=row.fence).update(
            status="running", fence=F("fence") + 1, leased_until=now + cls.LEASE, tries=F("tries") + 1,
            started_at=row.started_at or now, waiting_for="", updated_at=now,
        )  # fmt: skip
        if taken != 1:
            return None
        row.refresh_from_db(fields=["status", "fence", "leased_until", "tries", "started_at", "waiting_for"])
        return row

    @property
    def mine(self) -> dict:
        """The guard of every write: the row is still running, under our fence."""
        return {"fence": self.fence, "status": "running"}

    def hold(self, **changes) -> None:
        """Renew the lease, with `changes` to the row's columns; raises LeaseLost."""
        if not self.amend(only_if=self.mine, **changes | {"leased_until": timezone.now() + self.LEASE}):
            raise LeaseLost(self.pk)
