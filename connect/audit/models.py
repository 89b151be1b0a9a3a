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
        ]

    def __str__(self):
        return f"{self.action} {self.object_id}"
