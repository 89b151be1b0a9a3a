"""What operations itself keeps: signs of life, tallies, alerts and their notices, and the permissions to act."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.operations.second_steps import Authenticator, RecoveryCodes  # noqa: F401 - models of this app
from connect.states import Transitions


class Heartbeat(models.Model):
    """The last sign of life of one part: `beat`, or one worker on one queue (`queue:pulls`, its host name)."""

    part = models.CharField(max_length=60)
    host = models.CharField(max_length=200)
    seen_at = models.DateTimeField(default=timezone.now)
    wait_ms = models.PositiveIntegerField(default=0, help_text="From sending the roll call to the answer.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["part", "host"], name="one_heartbeat")]

    def __str__(self):
        return f"{self.part} on {self.host}"


class Operation(models.Model):
    """No table: the permissions to act, one a verb, held by roles (`connect.operations.roles`)."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("run_pulls", "Can start, retry and cancel pulls"),
            ("end_access", "Can disconnect connections and refresh their tokens"),
            ("expire_flows", "Can end open links"),
            ("deliver_events", "Can redeliver and recover events and enable endpoints"),
            ("pause_portals", "Can probe and pause portals"),
            ("import_directories", "Can import a directory"),
            ("manage_keys", "Can make and revoke API keys"),
            ("run_exports", "Can run and test exports"),
            ("manage_exports", "Can add, enable and disable export destinations"),
            ("export_audit", "Can export and verify the audit log"),
            ("see_everything", "Sees every organisation's rows (who belongs to none)"),
        ]


class Tally(models.Model):
    """How often one outcome came in one closed hour (or day): facts that do not change, added up once."""

    class Grain(models.TextChoices):
        HOUR = "hour"
        DAY = "day"

    grain = models.CharField(max_length=4, choices=Grain)
    at = models.DateTimeField(help_text="The hour or day it begins with.")
    measure = models.CharField(max_length=20)
    organization_id = models.CharField(max_length=40, blank=True)
    environment = models.CharField(max_length=10, blank=True)
    source_id = models.CharField(max_length=40, blank=True)
    outcome = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField()
    milliseconds = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["grain", "at", "measure", "organization_id", "environment", "source_id", "outcome"],
                name="one_tally",
            ),
        ]
        indexes = [
            models.Index(fields=["grain", "source_id", "at"], name="tallies_by_source"),
            models.Index(
                fields=["grain", "organization_id", "measure", "outcome", "source_id", "at"], name="tallies_by_outcome"
            ),
            models.Index(
                fields=["grain", "source_id", "at"], condition=models.Q(organization_id="*"), name="tallies_over_all"
            ),
        ]


class ClosedHour(models.Model):
    """An hour whose tallies are written. Of two workers at the same hour, this row lets one win."""

    at = models.DateTimeField(primary_key=True)


class Alert(Transitions, models.Model):
    """Something an operator should know: raised once, and resolved by itself when it is over."""

    class Status(models.TextChoices):
        OPEN = "open"
        RESOLVED = "resolved"

    TRANSITIONS = {Status.OPEN: {Status.RESOLVED}}

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_alert_id, editable=False)
    rule = models.CharField(max_length=40)
    subject = models.CharField(
        max_length=220, blank=True, help_text="What it is about: a portal, an endpoint, a queue."
    )
    organization_id = models.CharField(max_length=40, blank=True)
    environment = models.CharField(max_length=10, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    text = models.CharField(max_length=300)
    raised_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, help_text="When the rule last found it so.")
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=models.Q(status="open"), name="one_open_alert_a_subject"
            ),
        ]

    def __str__(self):
        return self.text

    def seen(self, text: str) -> None:
        """It is still so; its words may tell of other numbers."""
        self.amend(only_if={"status": self.Status.OPEN}, text=text, seen_at=timezone.now())

    def resolve(self) -> None:
        """It is over. Raises TransitionRefused when another worker said so first."""
        self.move(self.Status.RESOLVED, resolved_at=timezone.now())


class NoticeQuerySet(models.QuerySet):
    def due(self, now: datetime) -> "NoticeQuerySet":
        free = models.Q(leased_until=None) | models.Q(leased_until__lte=now)
        return self.filter(free, sent_at=None, tries_left__gt=0, due_at__lte=now)


class Notice(models.Model):
    """One message about an alert over one channel, due until it was sent or given up."""

    class Channel(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    LEASE = timedelta(minutes=2)
    TRIES = 8

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    about = models.CharField(max_length=10, choices=Alert.Status, help_text="What it tells: open, or resolved.")
    channel = models.CharField(max_length=10, choices=Channel)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    tries_left = models.PositiveSmallIntegerField(default=TRIES)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=60, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "about", "channel"], name="one_notice_a_channel")]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(sent_at=None), name="notices_due")]

    def claim(self, now: datetime) -> bool:
        """Take it for sending; False when another worker has it."""
        mine = Notice.objects.due(now).filter(pk=self.pk)
        return mine.update(leased_until=now + self.LEASE, tries_left=models.F("tries_left") - 1) == 1

    def sent(self) -> None:
        Notice.objects.filter(pk=self.pk).update(sent_at=timezone.now(), leased_until=None, last_error="")

    def put_off(self, *, due_at: datetime, reason: str) -> None:
        """Try again then; `reason` is a word of ours."""
        Notice.objects.filter(pk=self.pk).update(due_at=due_at, leased_until=None, last_error=reason)
