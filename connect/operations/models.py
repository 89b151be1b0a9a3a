"""What operations itself keeps: signs of life, and the permissions to act."""

from django.db import models
from django.utils import timezone


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
            ("export_audit", "Can export the audit log"),
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


class ClosedHour(models.Model):
    """An hour whose tallies are written. Of two workers at the same hour, this row lets one win."""

    at = models.DateTimeField(primary_key=True)
