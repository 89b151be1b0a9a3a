"""What the pretend portal must remember between web processes. Codes and tokens are found by hash, never stored.

Rows change only by the methods here. A race over a code or a refresh token is settled by one guarded UPDATE.
"""

import hashlib
import secrets
from datetime import timedelta

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone

LOGIN_SECONDS = 1800
CODE_SECONDS = 60
REFRESH_SECONDS = 90 * 86_400


def digest(secret: str) -> str:
    """How a code or token is found: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    return secrets.token_urlsafe(32)


class Client(models.Model):
    """An app that registered itself (RFC 7591). The pre-registered ones are in `clients.py`."""

    client_id = models.CharField(max_length=64, unique=True, default=new_secret)
    name = models.CharField(max_length=200)
    auth_method = models.CharField(max_length=32)
    secret_digest = models.CharField(max_length=64, blank=True)
    redirect_uris = models.JSONField(default=list)
    jwks = models.JSONField(null=True)
    jwks_uri = models.URLField(max_length=500, blank=True)
    id_token_alg = models.CharField(max_length=8, default="RS256")
    created_at = models.DateTimeField(auto_now_add=True)


class Grant(models.Model):
    """A patient's yes to an app: the family every token of it belongs to."""

    variant = models.CharField(max_length=40)
    client_id = models.CharField(max_length=64)
    username = models.CharField(max_length=100)
    patient = models.CharField(max_length=64)
    scope = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)
    refreshes = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["variant", "username"], name="sandbox_grant_user")]

    def revoke(self) -> None:
        """End every token of the grant; ending it twice is ending it once."""
        Grant.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now())

    def count_refresh(self, limit: int | None) -> bool:
        """Use up one refresh. False, and nothing changed, when the limit is reached or the grant is revoked."""
        allowed = Grant.objects.filter(pk=self.pk, revoked_at=None)
        if limit is not None:
            allowed = allowed.filter(refreshes__lt=limit)
        return allowed.update(refreshes=F("refreshes") + 1) == 1

    def end_access_tokens(self) -> None:
        self.tokens.filter(kind=Token.Kind.ACCESS, spent_at=None).update(spent_at=timezone.now())


class Authorization(models.Model):
    """One visit of a patient to the authorisation page, from the app's request to the code being exchanged."""

    class Status(models.TextChoices):
        REQUESTED = "requested"
        SIGNED_IN = "signed_in"
        GRANTED = "granted"
        DENIED = "denied"
        EXCHANGED = "exchanged"

    handle = models.CharField(max_length=64, unique=True, default=new_secret)
    status = models.CharField(max_length=12, choices=Status, default=Status.REQUESTED)
    variant = models.CharField(max_length=40)
    client_id = models.CharField(max_length=64)
    redirect_uri = models.TextField()
    scope = models.TextField()
    state = models.TextField(blank=True)
    nonce = models.TextField(blank=True)
    code_challenge = models.CharField(max_length=128, blank=True)
    username = models.CharField(max_length=100, blank=True)
    patient = models.CharField(max_length=64, blank=True)
    granted_scope = models.TextField(blank=True)
    code_digest = models.CharField(max_length=64, unique=True, null=True)
    code_expires_at = models.DateTimeField(null=True)
    grant = models.OneToOneField(Grant, null=True, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()

    @classmethod
    def request(cls, **asked) -> "Authorization":
        return cls.objects.create(expires_at=timezone.now() + timedelta(seconds=LOGIN_SECONDS), **asked)

    def sign_in(self, username: str) -> bool:
        return self._move({self.Status.REQUESTED, self.Status.SIGNED_IN}, self.Status.SIGNED_IN, username=username)

    def allow(self, *, patient: str, scope: str) -> str | None:
        """Answer the code the patient takes back to the app; None when the question was answered before."""
        code = new_secret()
        expires = timezone.now() + timedelta(seconds=CODE_SECONDS)
        values = {"patient": patient, "granted_scope": scope, "code_digest": digest(code), "code_expires_at": expires}
        return code if self._move({self.Status.SIGNED_IN}, self.Status.GRANTED, **values) else None

    def deny(self) -> bool:
        return self._move({self.Status.REQUESTED, self.Status.SIGNED_IN}, self.Status.DENIED)

    @transaction.atomic
    def exchange(self) -> Grant | None:
        """The code's grant, made once however many requests race; None for all but the first."""
        if not self._move({self.Status.GRANTED}, self.Status.EXCHANGED):
            return None
        made = Grant.objects.create(
            variant=self.variant,
            client_id=self.client_id,
            username=self.username,
            patient=self.patient,
            scope=self.granted_scope,
        )
        Authorization.objects.filter(pk=self.pk).update(grant=made)
        return made

    def _move(self, before: set[str], after: str, **values) -> bool:
        moved = Authorization.objects.filter(pk=self.pk, status__in=before).update(status=after, **values)
        self.refresh_from_db()
        return moved == 1


class Token(models.Model):
    """An access or refresh token. `spent_at` is when it was rotated away."""

    class Kind(models.TextChoices):
        ACCESS = "access_token"
        REFRESH = "refresh_token"

    digest = models.CharField(max_length=64, unique=True)
    kind = models.CharField(max_length=16, choices=Kind)
    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="tokens")
    scope = models.TextField()
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    spent_at = models.DateTimeField(null=True)

    @classmethod
    def issue(cls, grant: Grant, kind: "Token.Kind", *, scope: str, seconds: int) -> str:
        """Make a token and answer it, the only time it is seen."""
        token = new_secret()
        expires = timezone.now() + timedelta(seconds=seconds)
        cls.objects.create(digest=digest(token), kind=kind, grant=grant, scope=scope, expires_at=expires)
        return token

    @classmethod
    def find(cls, token: str, variant: str) -> "Token | None":
        return cls.objects.select_related("grant").filter(digest=digest(token), grant__variant=variant).first()

    @property
    def is_active(self) -> bool:
        return not self.spent_at and not self.grant.revoked_at and self.expires_at > timezone.now()

    def spend(self) -> bool:
        """Mark a refresh token as used. True for exactly one of the requests that bring it."""
        return Token.objects.filter(pk=self.pk, spent_at=None).update(spent_at=timezone.now()) == 1


class UsedAssertion(models.Model):
    """A client assertion's jti, so that it is taken once (RFC 7523 §3)."""

    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    @classmethod
    def take(cls, client_id: str, jti: str, seconds: int) -> bool:
        """True the first time. Those that can no longer be replayed are forgotten on the way."""
        now = timezone.now()
        cls.objects.filter(expires_at__lt=now).delete()
        expires = now + timedelta(seconds=seconds)
        return cls.objects.get_or_create(digest=digest(f"{client_id}\n{jti}"), defaults={"expires_at": expires})[1]


class Outage(models.Model):
    """A span in which a variant answers 503: to one grant, or to everybody when it has none."""

    variant = models.CharField(max_length=40)
    grant = models.ForeignKey(Grant, null=True, on_delete=models.CASCADE)
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["variant", "ends_at"], name="sandbox_outage_ends")]

    @classmethod
    def start(cls, variant: str, *, seconds: int, grant: Grant | None = None) -> "Outage":
        return cls.objects.create(variant=variant, grant=grant, ends_at=timezone.now() + timedelta(seconds=seconds))

    @classmethod
    def seconds_left(cls, variant: str, grant: Grant | None = None) -> int:
        """How long the variant stays down for this grant, rounded up; 0 when it is up."""
        now = timezone.now()
        whose = Q(grant=None) | Q(grant=grant) if grant else Q(grant=None)
        last = cls.objects.filter(whose, variant=variant, ends_at__gt=now).aggregate(last=models.Max("ends_at"))["last"]
        return int((last - now).total_seconds()) + 1 if last else 0


class Tally(models.Model):
    """A count under a name, for limits and for faults that happen once."""

    name = models.CharField(max_length=200, unique=True)
    count = models.PositiveIntegerField(default=0)

    @classmethod
    def add(cls, name: str) -> int:
        """Count one more; answers the count, 1 for the first."""
        with transaction.atomic():
            tally, _ = cls.objects.select_for_update().get_or_create(name=name)
            tally.count += 1
            tally.save(update_fields=["count"])
        return tally.count


class SigningKey(models.Model):
    """The portal's own keys for ID tokens, one an algorithm, shared by all its processes."""

    algorithm = models.CharField(max_length=8, unique=True)
    pem = models.TextField()


class StoredResource(models.Model):
    """A resource written to the FHIR server variant, as text, so that its digits stay."""

    type = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()
    patient = models.CharField(max_length=64, blank=True)
    body = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["type", "resource_id"], name="sandbox_stored_once")]

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.resource_id}"

    @transaction.atomic
    def replace(self, *, body: str, patient: str, identifiers: tuple[str, ...], updated_at) -> None:
        """Keep a version of the resource, new or not, and what it can be found by."""
        self.body, self.patient, self.updated_at = body, patient, updated_at
        self.save()
        self.identifiers.all().delete()
        StoredIdentifier.objects.bulk_create(StoredIdentifier(resource=self, token=token) for token in identifiers)


class StoredIdentifier(models.Model):
    """What conditional updates find a stored resource by: `system|value`, and `value` alone."""

    resource = models.ForeignKey(StoredResource, on_delete=models.CASCADE, related_name="identifiers")
    token = models.CharField(max_length=400, db_index=True)
