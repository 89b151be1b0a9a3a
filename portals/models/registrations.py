"""Who we are at portals: our apps there, and the keys we sign with."""

from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization
from portals.models.catalogue import Source


class SigningKeyQuerySet(models.QuerySet):
    """Keys by what they are good for at a moment."""

    def published(self, now) -> "SigningKeyQuerySet":
        """Those that portals may have to verify with: in the key set we publish."""
        return self.filter(models.Q(retired_at=None) | models.Q(retired_at__gt=now))

    def signing(self, now) -> "SigningKeyQuerySet":
        """Those that may sign, the newest first."""
        return self.published(now).filter(signs_from__lte=now).order_by("-signs_from")


class SigningKey(models.Model):
    """A key pair of ours for private_key_jwt, published at /.well-known/jwks.json while it is not retired."""

    kid = models.CharField(primary_key=True, max_length=60)
    algorithm = models.CharField(max_length=5, choices=[("RS384", "RS384"), ("ES384", "ES384")])
    public_jwk = models.JSONField()
    private_jwk = SealedField()
    signs_from = models.DateTimeField(default=timezone.now, help_text="Portals need time to see a new key first.")
    retired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self):
        return f"{self.kid} ({self.algorithm})"

    def retire(self, at) -> None:
        """Publish it no longer from then on."""
        self.retired_at = at
        self.save(update_fields=["retired_at"])


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
    key_ids = models.JSONField(
        default=list, blank=True, help_text="Keys given to the portal by hand; empty: it reads our key set."
    )
    secret_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        indexes = [models.Index(fields=["environment", "vendor"], name="registrations_by_vendor")]

    def __str__(self):
        return f"{self.client_id} ({self.method})"


class PreflightQuerySet(models.QuerySet):
    def due(self, now) -> "PreflightQuerySet":
        """Those to be checked again; answered by the index `preflights_due`."""
        return self.filter(due_at__lte=now)

    def failing(self) -> "PreflightQuerySet":
        return self.exclude(diagnosis="")


class Preflight(models.Model):
    """The ledger's other half: what the last check of one registration at one source found."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="preflights")
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, related_name="preflights")
    diagnosis = models.CharField(max_length=40, blank=True, help_text="Our slug of what is wrong; empty: nothing.")
    checks = models.JSONField(default=list, help_text="[{check, ok, detail}] in the order they were made.")
    checked_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=timezone.now)

    objects = PreflightQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "registration"], name="one_preflight_a_registration")]
        indexes = [models.Index(fields=["due_at"], name="preflights_due")]

    def __str__(self):
        return f"{self.registration_id} at {self.source_id}"

    def settle(self, *, diagnosis: str, checks: list, due_at) -> None:
        """Note what was found, and when to look again."""
        self.diagnosis, self.checks, self.due_at, self.checked_at = diagnosis, checks, due_at, timezone.now()
        self.save(update_fields=["diagnosis", "checks", "due_at", "checked_at"])
