"""The append-only log: who did what to which object. No foreign keys, so it never gets in the way of live data."""

from django.db import models
from django.utils import timezone

GENESIS = "0" * 64


class Entry(models.Model):
    """One act. `position`, `previous_hash` and `hash` are given after commit by `connect.audit.chain`."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=60, help_text="noun.past_tense, such as patient_flow.created")
    actor_kind = models.CharField(max_length=12, help_text="api_key, staff, patient or system")
    actor = models.CharField(max_length=160, blank=True)
    organization_id = models.CharField(max_length=40, blank=True)
    environment = models.CharField(max_length=10, blank=True)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=220, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=36, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    position = models.BigIntegerField(null=True, unique=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["organization_id", "-id"], name="audit_by_organization"),
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_by_object"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
            models.Index(fields=["actor_kind", "-id"], name="audit_by_actor_kind"),
            models.Index(fields=["at"], name="audit_by_time"),
            models.Index(fields=["request_id"], condition=~models.Q(request_id=""), name="audit_by_request"),
        ]

    def __str__(self):
        return f"{self.action} {self.object_id}"


class ChainCheck(models.Model):
    """How far the walk along the whole chain has come, and what it found: one row (`connect.audit.walk`)."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    position = models.BigIntegerField(default=0, help_text="The walk goes on after this one.")
    hash = models.CharField(max_length=64, default=GENESIS)
    found = models.JSONField(default=list, help_text="What the walk under way found: [{position, what}].")
    faults = models.JSONField(
        default=list, help_text="What is known to be wrong: emptied by a whole walk that finds nothing."
    )
    ended_at = models.DateTimeField(null=True, help_text="When the last whole walk came to the end.")
    entries = models.BigIntegerField(default=0, help_text="How many that walk looked at.")
    due_at = models.DateTimeField(default=timezone.now)

    def step(self, **changes) -> bool:
        """Write where it stands; False when another worker was here meanwhile."""
        return ChainCheck.objects.filter(pk=self.pk, position=self.position, due_at=self.due_at).update(**changes) == 1
