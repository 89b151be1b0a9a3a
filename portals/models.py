"""The portal side's rows: the catalogue (Source, Listing), registrations and keys, connections and their tokens."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, Patient, Tenant, TenantQuerySet
from connect.states import Transitions


class SourceQuerySet(models.QuerySet):
    def offered(self, environment: str) -> "SourceQuerySet":
        """Sources a patient may choose: of this environment and not withdrawn."""
        return self.filter(environment=environment, withdrawn_at=None)

    def withdraw(self) -> int:
        """Offer these sources no longer; connections to them go on working. How many were still offered."""
        return self.filter(withdrawn_at=None).update(withdrawn_at=timezone.now())


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
        help_text="What this portal needs: scopes, smart_version, patient_from_fhir_user, page_size, plan, quiet_hours.",
    )  # fmt: skip
    configuration = models.JSONField(null=True, blank=True, editable=False, help_text="Its discovery document, cached.")
    configured_at = models.DateTimeField(null=True, editable=False)
    capabilities = models.JSONField(null=True, blank=True, editable=False, help_text="What its CapabilityStatement offers.")
    capabilities_at = models.DateTimeField(null=True, editable=False)
    probed_at = models.DateTimeField(null=True, editable=False)
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
            models.Index(fields=["probed_at"], name="sources_by_probe"),
        ]

    def __str__(self):
        return self.name

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > timezone.now()

    def remember_configuration(self, configuration: dict) -> None:
        """Cache the discovery document with its age."""
        self.configuration, self.configured_at = configuration, timezone.now()
        self.save(update_fields=["configuration", "configured_at"])

    def remember_capabilities(self, capabilities: dict) -> None:
        self.capabilities, self.capabilities_at = capabilities, timezone.now()
        self.save(update_fields=["capabilities", "capabilities_at"])

    def pause(self, *, until, reason: str) -> None:
        """Make no call to this portal before `until`; the reason is for operators."""
        self.paused_until, self.status_reason = until, reason
        self.save(update_fields=["paused_until", "status_reason"])

    def mark(self, status: str, reason: str = "") -> None:
        """Note what a probe found."""
        self.status, self.status_reason, self.probed_at = status, reason, timezone.now()
        self.save(update_fields=["status", "status_reason", "probed_at"])


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


class SigningKey(models.Model):
    """A key pair of ours for private_key_jwt, published at /.well-known/jwks.json while it is not retired."""

    kid = models.CharField(primary_key=True, max_length=60)
    algorithm = models.CharField(max_length=5, choices=[("RS384", "RS384"), ("ES384", "ES384")])
    public_jwk = models.JSONField()
    private_jwk = SealedField()
    signs_from = models.DateTimeField(default=timezone.now, help_text="Portals need time to see a new key first.")
    retired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)


class Registration(models.Model):
    """An app of ours at a portal or vendor: what is registered where, and how it authenticates.

    The nearest one is used: a source's own, then the organisation's own for the vendor, then the vendor's.
    Its id is the last part of its redirect URI, `/oauth/callback/{registration}` (RFC 9700 4.4).
    """

    class Method(models.TextChoices):
        PUBLIC = "public"
        CLIENT_SECRET_BASIC = "client_secret_basic"
        CLIENT_SECRET_POST = "client_secret_post"
        PRIVATE_KEY_JWT = "private_key_jwt"

    id = models.CharField(primary_key=True, max_length=60, default=ids.new_registration_id)
    environment = models.CharField(max_length=10, choices=Environment)
    vendor = models.CharField(max_length=60, blank=True)
    organization = models.ForeignKey(Organization, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.CASCADE, related_name="registrations")
    client_id = models.CharField(max_length=300)
    method = models.CharField(max_length=20, choices=Method, default=Method.PUBLIC)
    client_secret = SealedField(null=True)
    algorithm = models.CharField(max_length=5, default="RS384", choices=[("RS384", "RS384"), ("ES384", "ES384")])
    redirect_uri = models.URLField(max_length=500, blank=True, help_text="Empty: {BASE_URL}/oauth/callback/{id}")
    scopes = models.TextField(blank=True, help_text="Empty: chosen by what the portal supports.")
    programme = models.CharField(max_length=200, blank=True, help_text="Vendor programme, app name, who registered it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["environment", "vendor"], name="registrations_by_vendor")]

    def __str__(self):
        return f"{self.client_id} ({self.method})"


class Connection(Transitions, models.Model):
    """A patient's grant at a source: it exists once the portal has said yes."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        REFRESH_FAILED = "refresh_failed"
        EXPIRED = "expired"
        DISCONNECTED = "disconnected"

    TRANSITIONS = {
        Status.ACTIVE: {Status.REFRESH_FAILED, Status.EXPIRED, Status.DISCONNECTED},
        Status.REFRESH_FAILED: {Status.ACTIVE, Status.DISCONNECTED},
        Status.EXPIRED: {Status.ACTIVE, Status.DISCONNECTED},
        Status.DISCONNECTED: {Status.ACTIVE},
    }

    class Refresh(models.TextChoices):
        """Where a refresh stands: `sent` between request and commit, `uncertain` when that was interrupted."""

        IDLE = "idle"
        SENT = "sent"
        UNCERTAIN = "uncertain"

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_connection_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="connections")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="connections")
    registration = models.ForeignKey(Registration, on_delete=models.PROTECT, related_name="+")
    patient_flow_id = models.CharField(max_length=40, null=True, help_text="The flow that last connected it.")
    fhir_patient_id = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    failure_code = models.CharField(max_length=40, null=True, blank=True)
    failure_at = models.DateTimeField(null=True)
    scopes = models.JSONField(default=list, help_text="Granted.")
    scopes_missing = models.JSONField(default=list, help_text="Asked for, not granted.")
    configuration = models.JSONField(default=dict, help_text="What discovery said when access was granted (pinned).")

    access_token = SealedField(null=True)
    refresh_token = SealedField(null=True)
    previous_refresh_token = SealedField(null=True)
    token_version = models.BigIntegerField(default=0, help_text="Moves with every new access token.")
    access_expires_at = models.DateTimeField(null=True)
    access_ends_at = models.DateTimeField(null=True, help_text="A known end of consent.")
    renewable = models.BooleanField(null=True)

    refresh_due_at = models.DateTimeField(null=True)
    refresh_state = models.CharField(max_length=10, choices=Refresh, default=Refresh.IDLE)
    refresh_failures = models.PositiveIntegerField(default=0)
    refreshed_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    expiry_announced_at = models.DateTimeField(null=True)

    next_pull_at = models.DateTimeField(null=True)
    last_pulled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["patient", "source", "fhir_patient_id"], name="one_connection_a_grant"),
            models.CheckConstraint(
                condition=models.Q(status="active")
                | models.Q(access_token=None, refresh_token=None, previous_refresh_token=None),
                name="only_active_connections_hold_tokens",
            ),
        ]
        indexes = [
            models.Index(fields=["refresh_due_at"], condition=models.Q(status="active"), name="refreshes_due"),
            models.Index(fields=["next_pull_at"], condition=models.Q(status="active"), name="pulls_due"),
            models.Index(fields=["access_ends_at"], condition=models.Q(status="active"), name="access_ending"),
            models.Index(fields=["organization", "environment", "-id"], name="connections_newest"),
            models.Index(fields=["source", "status"], name="connections_of_source"),
        ]

    def __str__(self):
        return self.id

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.environment)

    @property
    def is_active(self) -> bool:
        return self.status == self.Status.ACTIVE

    def end(self, status: str, *, failure_code: str | None, **guard) -> None:
        """Leave `active`: forget every token, stop refreshes and pulls. Records stay."""
        self.move(
            status, failure_code=failure_code, failure_at=timezone.now() if failure_code else None,
            access_token=None, refresh_token=None, previous_refresh_token=None, access_expires_at=None,
            refresh_due_at=None, refresh_state=self.Refresh.IDLE, leased_until=None, next_pull_at=None, only_if=guard,
        )  # fmt: skip


class Revocation(models.Model):
    """A token to revoke at its portal (RFC 7009), kept until the portal answered or was given up."""

    LIFETIME = timedelta(days=7)

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, related_name="+")
    connection_id = models.CharField(max_length=40, blank=True)
    token = SealedField(null=True)
    token_type = models.CharField(max_length=20, default="refresh_token")
    endpoint = models.URLField(max_length=500)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=60, blank=True)
    settled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=models.Q(settled_at=None), name="revocations_due")]
