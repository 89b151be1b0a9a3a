"""What is known of one registration at one source before anybody is asked."""

from dataclasses import dataclass

from django.utils import timezone

from portals import keys, registrations
from portals.models import Connection, Preflight, Registration
from portals.smart.assertions import ClientCredentials

FRESH_FOR_DAYS = 3


@dataclass(frozen=True, slots=True)
class Facts:
    """Plain values: checks run on threads that have no database."""

    fhir_base_url: str
    redirect_uri: str
    own_scope: str
    smart_version: str | None
    extra: dict
    credentials: ClientCredentials | None
    missing: str
    jwks_uri: str
    key_ids: tuple[str, ...]
    is_fresh: bool
    never_renewable: bool


def facts_of(preflight: Preflight) -> Facts:
    """Gather them; a few small queries."""
    source, registration = preflight.source, preflight.registration
    credentials, missing = _credentials(registration)
    return Facts(
        fhir_base_url=source.fhir_base_url, redirect_uri=registrations.redirect_uri(registration),
        own_scope=source.overrides.get("scopes") or registration.scopes,
        smart_version=source.overrides.get("smart_version"),
        extra=source.overrides.get("authorization_parameters") or {}, credentials=credentials, missing=missing,
        jwks_uri=registrations.jwks_uri(), key_ids=tuple(registration.key_ids),
        is_fresh=(timezone.now() - registration.created_at).days < FRESH_FOR_DAYS,
        never_renewable=_never_renewable(preflight),
    )  # fmt: skip


def _credentials(registration: Registration) -> tuple[ClientCredentials | None, str]:
    """How we would prove who we are, or the diagnosis of why we cannot."""
    if registration.secret_expires_at and registration.secret_expires_at <= timezone.now():
        return None, "secret_expired"
    try:
        return registrations.credentials(registration), ""
    except keys.NoSigningKey:
        return None, "no_signing_key"
    except ValueError:
        return None, "no_secret"


def _never_renewable(preflight: Preflight) -> bool:
    """Whether patients did connect, and none of them for longer than one access token."""
    granted = Connection.objects.filter(source=preflight.source_id, registration=preflight.registration_id)
    seen = set(granted.exclude(renewable=None).values_list("renewable", flat=True).distinct())
    return seen == {False}
