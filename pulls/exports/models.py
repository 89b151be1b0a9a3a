"""The export side's rows: destinations, how far each has a patient's records, runs, their files, and what to erase."""

import json
from datetime import timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, Patient, Tenant, TenantQuerySet
from pulls.leases import Leased


class Destination(models.Model):
    """Where an organisation wants its records copied to. Credentials are sealed and never shown again."""

    class Kind(models.TextChoices):
        S3 = "s3", "S3-compatible bucket"
        FHIR = "fhir", "FHIR R4 server"
        FOLDER = "folder", "Folder on this server"

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_destination_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=6, choices=Kind)
    settings = models.JSONField(default=dict, help_text="What is no secret: bucket, endpoint_url, base_url, folder, …")
    sealed_credentials = SealedField(null=True)
    enabled = models.BooleanField(default=True)
    complete_until = models.DateTimeField(null=True, help_text="It has everything that had landed here by then.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "environment", "name"], name="one_destination_a_name"),
        ]

    def __str__(self):
        return self.name

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.environment)

    @property
    def credentials(self) -> dict:
        return json.loads(self.sealed_credentials) if self.sealed_credentials else {}

    @credentials.setter
    def credentials(self, value: dict) -> None:
        self.sealed_credentials = json.dumps(value) if value else None

    def revise(self, **changes) -> None:
        """Change name, settings, credentials or enabled."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = timezone.now()
        self.save()

    def has_everything_until(self, at) -> None:
        """Note the end of a run that had reached every patient."""
        self.complete_until = at
        self.save(update_fields=["complete_until"])


class Mark(models.Model):
    """How far a destination has a patient's records: everything up to this position."""

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="marks")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="+")
    position = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["destination", "patient"], name="one_mark_a_patient")]


class Export(Leased):
    """One run to one destination. One is open at a time for a destination; what comes meanwhile, the next one takes."""

    LEASE = timedelta(minutes=5)  # a load of 48 MB must reach a slow bucket within it

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        COMPLETED = "completed"
        FAILED = "failed"

    class Trigger(models.TextChoices):
        PULL = "pull"
        ADDED = "added"
        ENABLED = "enabled"
        MANUAL = "manual"

    class Mode(models.TextChoices):
        CHANGES = "changes"
        ALL = "all"

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED},
        Status.RUNNING: {Status.WAITING, Status.COMPLETED, Status.FAILED},
        Status.WAITING: {Status.RUNNING, Status.FAILED},
    }

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_export_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="exports")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    trigger = models.CharField(max_length=10, choices=Trigger)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.CHANGES)
    again = models.BooleanField(default=False, help_text="More came while it ran: another run follows.")
    patient_ref = models.CharField(max_length=40, blank=True, help_text="The patient it has come to.")
    position = models.BigIntegerField(default=0, help_text="How far it has come with that patient.")
    resources = models.PositiveBigIntegerField(default=0)
    gone = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0, help_text="Resources the destination would not take.")
    reasons = models.JSONField(default=dict, help_text="Why, and how many of each.")
    error = models.CharField(max_length=60, blank=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["destination"],
                condition=models.Q(status__in=["queued", "running", "waiting"]),
                name="one_open_export_a_destination",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=["queued", "running", "waiting"]),
                name="exports_open_due",
            ),
            models.Index(fields=["organization", "environment", "-id"], name="exports_newest"),
        ]

    def __str__(self):
        return self.id

    @property
    def folder(self) -> str:
        """Where its files are, below the destination's root (contract 5.2)."""
        return f"{self.destination_id}/{self.created_at:%Y-%m-%d}/{self.pk}"


class ExportFile(models.Model):
    """One file of a run, as it lies at the destination."""

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="files")
    resource_type = models.CharField(max_length=64)
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    resources = models.PositiveIntegerField()
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    next_sha256 = models.CharField(max_length=64, blank=True, help_text="While it is being rewritten without somebody.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["export", "resource_type", "number"], name="one_export_file")]

    def announce_rewrite(self, sha256: str) -> None:
        """Write down what the file will be, before it is replaced: a crash in between is then told from none."""
        self.next_sha256 = sha256
        self.save(update_fields=["next_sha256"])

    def rewritten(self, *, resources: int, bytes: int) -> None:
        """The file is what was announced."""
        self.resources, self.bytes = resources, bytes
        self.sha256, self.next_sha256 = self.next_sha256, ""
        self.save(update_fields=["resources", "bytes", "sha256", "next_sha256"])


class Span(models.Model):
    """Whose lines a file in our own folder holds, in order: what an erasure takes out again.

    `patient_ref` is no foreign key: it must outlive the patient until the lines are gone.
    """

    file = models.ForeignKey(ExportFile, on_delete=models.CASCADE, related_name="spans")
    place = models.PositiveIntegerField()
    patient_ref = models.CharField(max_length=40, db_index=True)
    lines = models.PositiveIntegerField()

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["file", "place"], name="one_span_a_place")]


class Erasure(models.Model):
    """A patient who was erased and whose lines are still to be taken out of our own folders."""

    patient_ref = models.CharField(max_length=40, unique=True)
    organization_id = models.CharField(max_length=40)
    environment = models.CharField(max_length=10)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="erasures_due")]

    def put_off(self, until) -> None:
        self.due_at = until
        self.save(update_fields=["due_at"])
