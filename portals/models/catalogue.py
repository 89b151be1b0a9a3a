"""The catalogue: sources, the names patients find them by, and the lists that brought them."""

import random
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from connect.organizations.models import Environment, Organization

# A freshly imported list of thousands is not probed in one go.
FIRST_PROBES_WITHIN = timedelta(hours=12)


def first_probe_at() -> datetime:
    """When a new source is first probed, by itself."""
    return timezone.now() + FIRST_PROBES_WITHIN * random.random()


class SourceQuerySet(models.QuerySet):
    def offered(self, environment: str) -> "SourceQuerySet":
        """Sources a patient may choose: of this environment and not withdrawn."""
        return self.filter(environment=environment, withdrawn_at=None)

    def withdraw(self) -> int:
        """Offer these sources no longer; connections to them go on working. How many were still offered."""
        return self.filter(withdrawn_at=None).update(withdrawn_at=timezone.now())

    def probes_due(self, now: datetime) -> "SourceQuerySet":
        """Those on offer whose discovery document is to be looked at; answered by the index `probes_due`."""
        return self.filter(withdrawn_at=None, probe_due_at__lte=now)

    def moved_away(self, now: datetime) -> "SourceQuerySet":
        """Those on offer whose successor has taken over."""
        return self.filter(withdrawn_at=None, moves_at__lte=now).exclude(successor=None)


class Source(models.Model):
    """A catalogue entry: one FHIR base URL in one environment. The API calls it a connection_id."""

    class Status(models.TextChoices):
        AVAILABLE = "available"
        DEGRADED = "degraded"
        UNAVAILABLE = "unavailable"

    id = models.CharField(primary_key=True, max_length=40, editable=False)
    environment = models.CharField(max_length=10, choices=Environment)
    fhir_base_url = models.URLField(max_length=500)
    published_url = models.CharField(max_length=500, blank=True, help_text="The base URL as its list wrote it.")
    name = models.CharField(max_length=300)
    brand = models.CharField(max_length=300, null=True, blank=True)
    vendor = models.CharField(max_length=60, null=True, blank=True, help_text="epic, cerner, athena, meditech, …")
    category = models.CharField(max_length=30, blank=True, help_text="provider, payer, lab, …")
    logo_url = models.URLField(max_length=500, null=True, blank=True)
    portal_url = models.URLField(max_length=500, null=True, blank=True)
    aliases = models.JSONField(default=list, blank=True)
    locations = models.JSONField(default=list, blank=True, help_text="[{city, state, postal_code}]")
    status = models.CharField(max_length=12, choices=Status, default=Status.AVAILABLE)
    status_reason = models.CharField(max_length=200, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="No call is made to this portal before then.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    successor = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="predecessors")
    moves_at = models.DateTimeField(null=True, blank=True, help_text="When the successor takes over.")
    rate_limit_group = models.CharField(
        max_length=200, blank=True, help_text="Sources of one group share concurrency and rate; empty: by host."
    )
    overrides = models.JSONField(
        default=dict, blank=True,
        help_text="What this portal needs: scopes, smart_version, patient_from_fhir_user, page_size, plan, quiet_hours"
        ", token_requests_per_minute, authorization_parameters.",
    )  # fmt: skip
    configuration = models.JSONField(null=True, blank=True, editable=False, help_text="Its discovery document, cached.")
    configured_at = models.DateTimeField(null=True, editable=False)
    capabilities = models.JSONField(
        null=True, blank=True, editable=False, help_text="Its CapabilityStatement in short."
    )
    capabilities_at = models.DateTimeField(null=True, editable=False)
    probed_at = models.DateTimeField(null=True, editable=False)
    probe_due_at = models.DateTimeField(default=first_probe_at, editable=False)
    probe_failures = models.PositiveSmallIntegerField(default=0, editable=False, help_text="In a row.")
    directory = models.CharField(max_length=60, blank=True, help_text="The list that brought it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["environment", "fhir_base_url"], name="one_source_a_base_url")]
        indexes = [
            models.Index(fields=["environment", "name", "id"], name="sources_by_name"),
            models.Index(fields=["directory"], name="sources_by_directory"),
            models.Index(fields=["probe_due_at"], condition=models.Q(withdrawn_at=None), name="probes_due"),
            models.Index(fields=["moves_at"], condition=models.Q(withdrawn_at=None), name="sources_moving"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > timezone.now()

    @property
    def in_force(self) -> "Source":
        """The source that stands for this one now: itself, or its successor once that has taken over."""
        source, seen = self, {self.pk}
        while source.has_moved and source.successor_id not in seen:
            source = source.successor
            seen.add(source.pk)
        return source

    @property
    def has_moved(self) -> bool:
        """Whether its successor has taken over."""
        return bool(self.successor_id and self.moves_at and self.moves_at <= timezone.now())

    def remember_configuration(self, configuration: dict) -> None:
        """Cache the discovery document with its age."""
        self.configuration, self.configured_at = configuration, timezone.now()
        self.save(update_fields=["configuration", "configured_at"])

    def remember_capabilities(self, capabilities: dict) -> None:
        self.capabilities, self.capabilities_at = capabilities, timezone.now()
        self.save(update_fields=["capabilities", "capabilities_at"])

    def pause(self, *, until, reason: str) -> None:
        """Make no call to this portal before `until`, and tell patients so; the reason is for operators."""
        self.paused_until, self.status, self.status_reason = until, self.Status.UNAVAILABLE, reason
        self.save(update_fields=["paused_until", "status", "status_reason"])

    def resume(self) -> None:
        """Make calls to this portal again, beginning with a probe."""
        self.paused_until, self.status, self.status_reason = None, self.Status.AVAILABLE, ""
        self.probe_due_at = timezone.now()
        self.save(update_fields=["paused_until", "status", "status_reason", "probe_due_at"])

    def distrust_configuration(self) -> None:
        """Have the discovery document read again before it is next used, and by the next probe: an endpoint it named
        stopped answering, or it is no longer what we thought."""
        self.configured_at, self.probe_due_at = None, timezone.now()
        self.save(update_fields=["configured_at", "probe_due_at"])

    def mark(self, status: str, reason: str, *, failures: int, probe_due_at: datetime) -> None:
        """Note what a probe found, and when to look again."""
        self.status, self.status_reason, self.probed_at = status, reason[:200], timezone.now()
        self.probe_failures, self.probe_due_at = failures, probe_due_at
        self.save(update_fields=["status", "status_reason", "probed_at", "probe_failures", "probe_due_at"])

    def move_to(self, successor: "Source | None", *, moves_at: datetime | None) -> None:
        """Name the source that takes over then; None where it stays after all."""
        self.successor, self.moves_at = successor, moves_at
        self.save(update_fields=["successor", "moves_at"])


class Listing(models.Model):
    """A name under which patients look for a source: a practice, a hospital, a brand at a place."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="listings")
    name = models.CharField(max_length=300)
    brand = models.CharField(max_length=300, blank=True)
    aliases = models.JSONField(default=list, blank=True)
    category = models.CharField(max_length=30, blank=True)
    npi = models.CharField(max_length=10, blank=True)
    city = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=40, blank=True)
    postal_code = models.CharField(max_length=12, blank=True)
    logo_url = models.URLField(max_length=500, blank=True)
    portal_url = models.URLField(max_length=500, blank=True)
    directory = models.CharField(max_length=60, blank=True, help_text="The list that brought it, and may withdraw it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "name", "city", "state", "postal_code", "directory"], name="one_listing"
            ),
        ]
        indexes = [models.Index(fields=["directory"], name="listings_by_directory")]


class Directory(models.Model):
    """A published list: where it comes from, and what the last import of it brought."""

    environment = models.CharField(max_length=10, choices=Environment)
    name = models.SlugField(max_length=60)
    url = models.URLField(max_length=500, blank=True, help_text="Where to fetch it; empty: files are brought by hand.")
    vendor = models.CharField(max_length=60, blank=True, help_text="When the whole list is one vendor's.")
    etag = models.CharField(max_length=200, blank=True, editable=False)
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    imported_at = models.DateTimeField(null=True, editable=False)
    report = models.JSONField(default=dict, editable=False, help_text="What the last import changed, in numbers.")

    class Meta:
        verbose_name_plural = "directories"
        constraints = [models.UniqueConstraint(fields=["environment", "name"], name="one_directory_a_name")]

    def __str__(self):
        return self.name

    def remember(self, *, etag: str, sha256: str, report: dict) -> None:
        """Note what was imported, so that the same file is not read again."""
        self.etag, self.sha256, self.report, self.imported_at = etag, sha256, report, timezone.now()
        self.save(update_fields=["etag", "sha256", "report", "imported_at"])


class CatalogueVersion(models.Model):
    """A number an environment that moves whenever its catalogue changes: search indexes are rebuilt when it does."""

    environment = models.CharField(primary_key=True, max_length=10, choices=Environment)
    number = models.BigIntegerField(default=1)
    changed_at = models.DateTimeField(default=timezone.now)

    @classmethod
    def move(cls, environment: str) -> None:
        """Tell every search index of this environment to be rebuilt; in the transaction of the change."""
        cls.objects.get_or_create(environment=environment)
        cls.objects.filter(environment=environment).update(number=models.F("number") + 1, changed_at=timezone.now())

    @classmethod
    def current(cls, environment: str) -> int:
        """The version's number; 0 where nothing was ever imported."""
        return cls.objects.filter(environment=environment).values_list("number", flat=True).first() or 0


class MissingPortal(models.Model):
    """A patient told us that their portal is not in the list: demand that operators see."""

    environment = models.CharField(max_length=10, choices=Environment)
    organization = models.ForeignKey(Organization, null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=200)
    place = models.CharField(max_length=120, blank=True)
    portal_url = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
