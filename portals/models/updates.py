"""A directory's update that a person asked for: first what would change, then, on their word, the change."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.states import Transitions
from portals.models.catalogue import Directory


class DirectoryUpdateQuerySet(models.QuerySet):
    def due(self, now: datetime) -> "DirectoryUpdateQuerySet":
        """Those that a worker has something to do for, and that none has taken."""
        free = models.Q(leased_until=None) | models.Q(leased_until__lte=now)
        return self.filter(free, status__in=DirectoryUpdate.WORKED_ON)


class DirectoryUpdate(Transitions, models.Model):
    """One update of one directory. One is open at a time for a directory."""

    class Status(models.TextChoices):
        COMPARING = "comparing"
        COMPARED = "compared"
        IMPORTING = "importing"
        IMPORTED = "imported"
        UNCHANGED = "unchanged"
        FAILED = "failed"
        DROPPED = "dropped"

    TRANSITIONS = {
        Status.COMPARING: {Status.COMPARED, Status.UNCHANGED, Status.FAILED},
        Status.COMPARED: {Status.IMPORTING, Status.DROPPED},
        Status.IMPORTING: {Status.IMPORTED, Status.FAILED},
    }
    WORKED_ON = (Status.COMPARING, Status.IMPORTING)
    OPEN = (*WORKED_ON, Status.COMPARED)

    LEASE = timedelta(minutes=15)
    TRIES = 3

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_update_id, editable=False)
    directory = models.ForeignKey(Directory, on_delete=models.CASCADE, related_name="updates")
    status = models.CharField(max_length=10, choices=Status, default=Status.COMPARING)
    brought = models.BinaryField(
        null=True, help_text="The list, gzipped, until it is imported: what was compared is what comes."
    )
    etag = models.CharField(max_length=200, blank=True)
    is_forced = models.BooleanField(default=False, help_text="Imported even where more than a fifth vanishes.")
    actor_kind = models.CharField(max_length=12)
    actor = models.CharField(max_length=160, blank=True)
    address = models.GenericIPAddressField(null=True)
    counts = models.JSONField(default=dict, help_text="What would change, in numbers.")
    shown = models.JSONField(default=list, help_text="[{title, count, lines}]: of each kind of change the first few.")
    drop = models.CharField(max_length=200, blank=True, help_text="Why it is refused unless forced.")
    problem = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    compared_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = DirectoryUpdateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["directory"], condition=models.Q(status__in=["comparing", "compared", "importing"]),
                name="one_open_update_a_directory",
            ),
        ]  # fmt: skip

    def __str__(self):
        return f"{self.directory} {self.get_status_display().lower()}"

    @property
    def is_worked_on(self) -> bool:
        return self.status in self.WORKED_ON

    def claim(self, now: datetime) -> bool:
        """Take it for a while; False when another worker has it. The lease of a worker that died runs out."""
        mine = DirectoryUpdate.objects.due(now).filter(pk=self.pk, status=self.status)
        return mine.update(leased_until=now + self.LEASE, tries=models.F("tries") + 1) == 1

    def keep(self, brought: bytes, *, etag: str) -> None:
        """Remember the list that was fetched."""
        self.amend(brought=brought, etag=etag)

    def compared(self, *, counts: dict, shown: list[dict], drop: str, is_empty: bool) -> None:
        """What would change is known; nothing more is to be done where nothing would."""
        now = timezone.now()
        found = {"counts": counts, "shown": shown, "compared_at": now, "leased_until": None, "tries": 0}
        if is_empty:
            self.move(self.Status.UNCHANGED, **found, finished_at=now, brought=None)
        else:
            self.move(self.Status.COMPARED, **found, drop=drop)

    def approve(self, *, is_forced: bool, actor_kind: str, actor: str, address: str | None) -> None:
        """Import it; `actor` is who said so."""
        self.move(
            self.Status.IMPORTING, is_forced=is_forced, actor_kind=actor_kind, actor=actor, address=address,
            due_at=timezone.now(), leased_until=None,
        )  # fmt: skip

    def finish(self, status: str, *, problem: str = "") -> None:
        """It is over, and the list is forgotten."""
        self.move(status, problem=problem[:300], finished_at=timezone.now(), leased_until=None, brought=None)
