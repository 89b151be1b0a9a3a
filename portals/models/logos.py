"""The logos that patients tell portals by, fetched by us: hosted pages show no picture from elsewhere."""

import hashlib
from datetime import timedelta

from django.db import models
from django.utils import timezone


class LogoQuerySet(models.QuerySet):
    def due(self, now) -> "LogoQuerySet":
        """Those to be fetched, the longest waiting first."""
        return self.filter(due_at__lte=now).order_by("due_at")


class Logo(models.Model):
    """One published logo. Its row is made when a page would first have shown it, and is due for a fetch at `due_at`."""

    FRESH_FOR = timedelta(days=30)
    # After each failure in a row; then as rarely as one that is fresh.
    PAUSES = (timedelta(minutes=10), timedelta(hours=6), timedelta(days=3))

    id = models.CharField(primary_key=True, max_length=32, editable=False)
    url = models.URLField(max_length=500)
    png = models.BinaryField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LogoQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="logos_due")]

    def __str__(self):
        return self.url

    @staticmethod
    def id_of(url: str) -> str:
        """The same URL has the same id everywhere: two pages that ask for it at once make one row."""
        return hashlib.sha256(url.encode()).hexdigest()[:32]

    def claim(self, lease: timedelta) -> bool:
        """Take the right to fetch it now; False when another worker has it. A lost worker's is due again after `lease`."""
        later = timezone.now() + lease
        taken = Logo.objects.filter(pk=self.pk, due_at=self.due_at).update(due_at=later) == 1
        self.due_at = later
        return taken

    def keep(self, png: bytes) -> None:
        """Show this from now on."""
        self.png, self.failures, self.due_at = png, 0, timezone.now() + self.FRESH_FOR
        self.save(update_fields=["png", "failures", "due_at"])

    def put_off(self) -> None:
        """It could not be had: go on showing what there is, and try again later."""
        pause = self.PAUSES[self.failures] if self.failures < len(self.PAUSES) else self.FRESH_FOR
        self.failures, self.due_at = min(self.failures + 1, len(self.PAUSES)), timezone.now() + pause
        self.save(update_fields=["failures", "due_at"])
