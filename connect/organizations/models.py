"""Who uses Connect: an organisation, its two environments, its API keys, and its patients."""

import json
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from connect import crypto, ids
from connect.crypto import CannotOpen, SealedField, token_hash
from connect.errors import ResourceNotFound
from connect.statements import Given, Select, Update, insert
from connect.states import Transitions


class Environment(models.TextChoices):
    """An organisation's two worlds, which never see each other."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


KEY_PREFIXES = {Environment.SANDBOX: "mb_sk_sbx_", Environment.PRODUCTION: "mb_sk_live_"}

SCOPES = (
    "patients:read", "patients:write", "patient_flows:read", "patient_flows:write", "connections:read", "records:read",
    "webhooks:read", "webhooks:write", "pulls:read", "pulls:write", "exports:read", "exports:write",
)  # fmt: skip


@dataclass(frozen=True)
class Tenant:
    """One environment of one organisation: what `.of()` narrows every query to."""

    organization_id: str
    environment: str


class TenantQuerySet(models.QuerySet):
    """The one tenant door: rows are found through `.of(caller)`."""

    def of(self, caller) -> "TenantQuerySet":
        """Rows of the caller's organisation and environment; `caller` is an ApiKey, a Tenant or a row that has both."""
        return self.filter(organization_id=caller.organization_id, environment=caller.environment)

    def get_or_404(self, **lookup):
        """The row, or ResourceNotFound: a stranger's row is not found."""
        row = self.filter(**lookup).first()
        if row is None:
            raise ResourceNotFound()
        return row


class Organization(models.Model):
    """A customer. Its name, logo and colour are what patients see."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_organization_id, editable=False)
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    logo = models.BinaryField(null=True, blank=True, editable=False)
    colour = models.CharField(
        max_length=7, default="#0b5cad", validators=[RegexValidator(r"^#[0-9a-fA-F]{6}$", "A colour such as #0b5cad")]
    )
    purpose = models.CharField(
        max_length=200, blank=True, help_text="Why patients are asked, as a sentence part: “to find clinical trials”."
    )
    purpose_es = models.CharField(
        "purpose in Spanish", max_length=200, blank=True, help_text="“para encontrar estudios clínicos”."
    )
    support_contact = models.CharField(max_length=200, blank=True, help_text="An e-mail address or a phone number.")
    privacy_url = models.URLField(blank=True)
    button_label = models.CharField(
        max_length=60, blank=True, help_text="“Done — return to …”, where the app that makes a link says nothing else."
    )
    pull_interval_seconds = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self):
        return self.name

    def purpose_in(self, language: str) -> str:
        """Why patients are asked, in their language where the organisation has said it."""
        return self.purpose_es if language == "es" and self.purpose_es else self.purpose


class Membership(models.Model):
    """A member of staff who may see this organisation's rows, and no others than by further memberships."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "organization"], name="one_membership")]


class ApiKey(models.Model):
    """A secret an organisation's backend calls with. Stored as a hash; the key itself is the caller."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_key_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="api_keys")
    environment = models.CharField(max_length=10, choices=Environment)
    name = models.CharField(max_length=120)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=20, editable=False)
    scopes = models.JSONField(default=list)
    version = models.CharField(max_length=10, default=settings.API_VERSION)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    LAST_USED_GRAIN = timedelta(minutes=1)

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return f"{self.name} ({self.hint}…)"

    @classmethod
    def new_secret(cls, environment: str) -> str:
        """A fresh key: `mb_sk_sbx_…` or `mb_sk_live_…` with 192 random bits."""
        return KEY_PREFIXES[Environment(environment)] + secrets.token_urlsafe(24)

    def adopt(self, secret: str) -> None:
        """Remember a secret by its hash and a hint; the caller saves the row."""
        self.hash, self.hint = token_hash(secret), secret[: len("mb_sk_live_") + 4]

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def used(self) -> bool:
        """Note the use, at most once a minute; True for the first one of a day (UTC), however many race."""
        now, before = timezone.now(), self.last_used_at
        if before is not None and now - before < self.LAST_USED_GRAIN:
            return False
        noted = ApiKey.objects.filter(pk=self.pk, last_used_at=before).update(last_used_at=now) == 1
        return noted and (before is None or before.date() < now.date())

    def expire(self, at) -> bool:
        """End the key then, unless it ends sooner; False if it works no more."""
        living = ApiKey.objects.filter(pk=self.pk, revoked_at=None)
        later = models.Q(expires_at=None) | models.Q(expires_at__gt=at)
        return living.filter(later).update(expires_at=at) == 1 or living.filter(expires_at__gt=timezone.now()).exists()

    def revoke(self) -> bool:
        """End the key from the next request on; False if it was revoked already."""
        return ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=Now()) == 1


class Patient(models.Model):
    """A person an organisation asks for records. The public id is the organisation's own `patient_id`."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_patient_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="patients")
    environment = models.CharField(max_length=10, choices=Environment)
    patient_id = models.CharField(max_length=200)
    email = models.EmailField(max_length=254, null=True, blank=True)
    name = models.CharField(max_length=200, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "environment", "patient_id"], name="one_patient_id"),
        ]
        indexes = [
            models.Index(fields=["organization", "environment", "-id"], name="patients_newest"),
            models.Index(fields=["organization", "environment", "email"], name="patients_by_email"),
        ]
        permissions = [("view_phi", "Can see patients' personal data and records")]

    def __str__(self):
        return self.patient_id

    def save(self, *args, **kwargs):
        """A new patient gets a data key in the same transaction."""
        if not self._state.adding:
            return super().save(*args, **kwargs)
        with transaction.atomic():
            super().save(*args, **kwargs)
            DataKey.make(self)

    def add(self) -> bool:
        """Insert a new patient with a data key; False where the organisation has one of this `patient_id`."""
        with transaction.atomic(savepoint=False):
            if not insert(self, unless_there=True):
                return False
            DataKey.make(self)
            return True

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.environment)

    @property
    def data_key(self) -> str:
        """What seals this patient's records (base64). Raises CannotOpen when it was erased."""
        row = KEY_ROW.first(patient=self.pk)
        if row is None:
            raise CannotOpen("the patient's data key is gone: they were erased")
        return row.key

    def replace(self, *, email, name, metadata) -> None:
        """PUT: what is not given is cleared."""
        self.email, self.name, self.metadata = email, name, metadata
        self.save(update_fields=["email", "name", "metadata"])

    def learn(self, *, email=None, name=None) -> None:
        """Take over what a flow says of the patient; what it does not say stays."""
        changes = {key: value for key, value in {"email": email, "name": name}.items() if value}
        if any(getattr(self, key) != value for key, value in changes.items()):
            for key, value in changes.items():
                setattr(self, key, value)
            self.save(update_fields=list(changes))


class DataKey(models.Model):
    """A patient's own key, in a table by itself: it is left out of the backups that are kept, so that erasing a patient
    makes their records unreadable there too (docs/security.md, "Erasure and backups"). No constraint: the two tables are
    restored one after the other.
    """

    patient = models.OneToOneField(
        Patient, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="key_row"
    )
    key = SealedField()
    created_at = models.DateTimeField(default=timezone.now)

    @classmethod
    def make(cls, patient: Patient) -> None:
        row = cls(patient=patient)
        row.key = crypto.new_data_key()
        insert(row)


class IdempotentAnswer(Transitions, models.Model):
    """The first answer to an `Idempotency-Key`, or the lease of a request that is still working on it.

    Every change is guarded by the lease: a request that took longer than its lease changes nothing.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    leased_until = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    body = SealedField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "environment", "key"], name="one_idempotency_key"),
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]

    def keep(self, status: int, body) -> bool:
        """Keep the answer for those who ask again; False when another request has taken the lease over."""
        self.body = json.dumps(body)
        sealed = self._meta.get_field("body").sealed(self)
        return KEEP.run(pk=self.pk, leased_until=self.leased_until, new_status=status, new_body=sealed) == 1

    def take_over(self, *, now, until) -> bool:
        """Take a lease that ran out, of a request that died; one UPDATE decides who gets it."""
        return self.amend(only_if={"status": None, "leased_until__lte": now}, leased_until=until)

    def release(self) -> None:
        """Forget the key: whoever asks again starts anew."""
        IdempotentAnswer.objects.filter(pk=self.pk, **self._held).delete()

    @property
    def _held(self) -> dict:
        return {"status": None, "leased_until": self.leased_until}


KEEP = Update(
    lambda: IdempotentAnswer.objects.filter(
        pk=Given("pk", models.BigAutoField()), status=None, leased_until=Given("leased_until", models.DateTimeField())
    ),
    "status", "body",
)  # fmt: skip
KEY_ROW = Select(lambda: DataKey.objects.filter(patient_id=Given("patient")).order_by())
