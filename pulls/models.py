"""The pull side's rows: Pull, its searches (one mark each), records, and the patient's position counter."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, Patient, TenantQuerySet
from portals.models import Connection
from pulls.leases import Leased


class Pull(Leased):
    """One run that brings a connection's records here. One is open at a time for a connection."""

    LEASE = timedelta(seconds=90)

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        WAITING = "waiting"
        COMPLETED = "completed"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELED = "canceled"

    class Trigger(models.TextChoices):
        CONNECTED = "connected"
        SCHEDULE = "schedule"
        MANUAL = "manual"
        RETRY = "retry"

    TRANSITIONS = {
        Status.QUEUED: {Status.RUNNING, Status.CANCELED, Status.FAILED},
        Status.RUNNING: {Status.WAITING, Status.COMPLETED, Status.PARTIAL, Status.FAILED, Status.CANCELED},
        Status.WAITING: {Status.RUNNING, Status.CANCELED, Status.FAILED, Status.PARTIAL},
    }

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_pull_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="pulls")
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="pulls")
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    trigger = models.CharField(max_length=10, choices=Trigger)
    retry_of = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="retries",
        help_text="The pull whose gaps it asks for again; that one vouches for the rest.",
    )  # fmt: skip
    is_to_be_retried = models.BooleanField(
        default=False, db_default=False, help_text="What it lacks is asked for again before the next scheduled pull."
    )
    portal_key = models.CharField(max_length=200, blank=True, help_text="Pulls of one key share a portal's limits.")
    total = models.PositiveIntegerField(default=0, help_text="Resources that are new or changed.")
    errors = models.PositiveIntegerField(default=0, help_text="Resource types that could not be had.")
    error = models.CharField(max_length=200, blank=True)
    is_full = models.BooleanField(default=True, help_text="Asked for everything, not only for what changed.")
    manifest = SealedField(null=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    first_record_at = models.DateTimeField(null=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=models.Q(status__in=["queued", "running", "waiting"]),
                name="one_open_pull_a_connection",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(status__in=["queued", "running", "waiting"]),
                name="pulls_open_due",
            ),
            models.Index(fields=["organization", "environment", "-id"], name="pulls_newest"),
            models.Index(fields=["portal_key"], condition=models.Q(status="running"), name="pulls_running_at_portal"),
            models.Index(fields=["connection", "-id"], name="pulls_of_connection"),
            models.Index(fields=["status", "-id"], condition=~models.Q(status="completed"), name="pulls_by_status"),
            models.Index(fields=["trigger", "-id"], condition=~models.Q(trigger="schedule"), name="pulls_by_trigger"),
            models.Index(fields=["finished_at"], condition=~models.Q(finished_at=None), name="pulls_finished"),
            models.Index(
                fields=["first_record_at"],
                condition=models.Q(trigger="connected") & ~models.Q(first_record_at=None),
                name="pulls_first_record",
            ),
            models.Index(fields=["patient", "-id"], name="pulls_of_patient"),
        ]

    def __str__(self):
        return self.id

    @property
    def root_id(self) -> str:
        """The pull that a retry of this one completes: itself, unless it is a retry."""
        return self.retry_of_id or self.pk

    @property
    def duration_ms(self) -> int | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return int((self.finished_at - self.started_at).total_seconds() * 1000)


class Search(models.Model):
    """One query of a pull's plan, with its mark: the next page to ask for."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        PARTIAL = "partial"
        REFUSED = "refused"
        SKIPPED = "skipped"
        FAILED = "failed"

    pull = models.ForeignKey(Pull, on_delete=models.CASCADE, related_name="searches")
    resource_type = models.CharField(max_length=64)
    order = models.PositiveIntegerField(default=0)
    query = models.CharField(max_length=500, blank=True, help_text="Without the patient.")
    is_typed = models.BooleanField(default=False, help_text="The patient as Patient/<id>, which a few servers need.")
    is_listed = models.BooleanField(default=True, help_text="The portal lists the type in its CapabilityStatement.")
    is_one_of_several = models.BooleanField(default=False, help_text="A query of a set, such as one a category.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    next_url = SealedField(null=True)
    fallbacks = models.JSONField(default=list, help_text="Queries to try instead when the portal refuses this one.")
    outcomes = models.JSONField(default=list, help_text="Codes of OperationOutcomes that came with the answers.")
    lost_pages = models.JSONField(default=list, help_text="[{page, reason}] of pages that could not be had.")
    restarted = models.BooleanField(default=False)
    pages = models.PositiveIntegerField(default=0)
    fetched = models.PositiveIntegerField(default=0, help_text="Matches, as the portal's total counts them.")
    included = models.PositiveIntegerField(default=0, help_text="What came along with them.")
    expected = models.PositiveIntegerField(null=True)
    stored = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=200, null=True)

    class Meta:
        ordering = ["order"]
        constraints = [models.UniqueConstraint(fields=["pull", "order"], name="one_search_an_order")]

    @property
    def is_over(self) -> bool:
        return self.status not in (self.Status.PENDING, self.Status.RUNNING)

    def start_over(self, **columns) -> None:
        """From the first page on, in memory; the caller forgets the stored pages and saves."""
        self.status, self.next_url, self.lost_pages = self.Status.PENDING, None, []
        self.pages = self.fetched = self.included = self.unchanged = self.unreadable = 0
        for name, value in columns.items():
            setattr(self, name, value)

    def forget_pages(self) -> None:
        """Delete what tells which pages were seen and what was damaged in them."""
        self.page_rows.all().delete()
        self.unreadable_rows.all().delete()


class Page(models.Model):
    """One stored answer of a search: what the manifest counts, what tells a loop, and which resources it held."""

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="page_rows")
    number = models.PositiveIntegerField()
    url_hash = models.BinaryField(max_length=16)
    keys = models.BinaryField(help_text="8 bytes of SHA-256 a resource: `Type/id`.")
    contents = models.BinaryField(
        max_length=32, default=b"", help_text="SHA-256 of its resources, where they are held."
    )
    positions = models.JSONField(default=list, help_text="[[first, last]] of the records that hold them.")
    entries = models.PositiveIntegerField(default=0)
    bytes = models.PositiveIntegerField(default=0)
    stored_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["search", "number"], name="one_page_a_number")]


class Unreadable(models.Model):
    """An entry that could not be filed, kept as it came (sealed), with its place and the reason."""

    search = models.ForeignKey(Search, on_delete=models.CASCADE, related_name="unreadable_rows")
    page = models.PositiveIntegerField()
    place = models.PositiveIntegerField()
    reason = models.CharField(max_length=40)
    body = models.BinaryField()


class Reference(models.Model):
    """Something the portal only pointed at: a practitioner, a location, a document's content."""

    class Status(models.TextChoices):
        PENDING = "pending"
        FETCHED = "fetched"
        SKIPPED = "skipped"
        FAILED = "failed"

    pull = models.ForeignKey(Pull, on_delete=models.CASCADE, related_name="references")
    resource_type = models.CharField(max_length=64)
    target_hash = models.BinaryField(max_length=16)
    target = models.TextField(help_text="Type/id, or the URL of a document.")
    is_document = models.BooleanField(default=False)
    status = models.CharField(max_length=8, choices=Status, default=Status.PENDING)
    tries = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["pull", "target_hash"], name="one_reference_a_pull")]
        indexes = [models.Index(fields=["pull", "status"], name="references_by_status")]

    def settle(self, status: str, reason: str = "") -> None:
        """Note what became of it."""
        self.status, self.reason = status, reason
        self.save(update_fields=["status", "reason", "tries"])


class Exchange(models.Model):
    """What was asked of the portal and answered in a pull that is not complete, every value replaced (pulls.exchanges)."""

    pull = models.OneToOneField(Pull, primary_key=True, on_delete=models.CASCADE, related_name="exchange")
    told = SealedField(help_text="JSON. Sealed all the same.")
    calls = models.PositiveIntegerField(default=0)
    kept_at = models.DateTimeField(default=timezone.now)

    def replace(self) -> None:
        """Keep it in place of what an earlier run of the pull left."""
        Exchange.objects.filter(pk=self.pk).delete()
        self.save(force_insert=True)


class PortalBudget(models.Model):
    """What we learned a portal bears, shared by all workers: how many calls at once, and not before when."""

    MOST = 8

    key = models.CharField(primary_key=True, max_length=200)
    concurrency = models.PositiveSmallIntegerField(default=MOST)
    not_before = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row; ten open the circuit.")
    page_sizes = models.JSONField(null=True, help_text="{type: [size, day]} where larger pages did not come.")
    updated_at = models.DateTimeField(default=timezone.now)


class RecordHead(models.Model):
    """The patient's record counter. Its row lock serialises writes for a patient: record order is commit order."""

    patient = models.OneToOneField(Patient, primary_key=True, on_delete=models.CASCADE, related_name="record_head")
    position = models.BigIntegerField(default=0)


class Record(models.Model):
    """The latest version of one resource of one connection, sealed with the patient's data key."""

    class Change(models.TextChoices):
        NEW = "new"
        CHANGED = "changed"
        GONE = "gone"

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="records")
    # No constraint in the database: a connection goes only with its patient, whose own constraint stands, and a second
    # look-up for every row costs as much as writing it.
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="records", db_constraint=False)
    source_id = models.CharField(max_length=40)
    resource_type = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=300)
    position = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    body = models.BinaryField(help_text="zstd, then sealed with the patient's data key.")
    size = models.PositiveIntegerField(default=0)
    version_id = models.CharField(max_length=100, blank=True)
    last_updated = models.CharField(max_length=40, blank=True)
    change = models.CharField(max_length=8, choices=Change, default=Change.NEW)
    pull_id = models.CharField(max_length=40)
    landed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "resource_type", "resource_id"], name="one_record_a_resource"
            ),
            models.UniqueConstraint(fields=["patient", "position"], name="one_record_a_position"),
        ]
        indexes = [models.Index(fields=["patient", "resource_type", "position"], name="records_by_type")]

    def __str__(self):
        return f"{self.resource_type}/{self.resource_id}"
