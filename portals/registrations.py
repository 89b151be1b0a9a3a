"""Who we are at a portal: the nearest registration, its credentials, its redirect URI; and becoming known (RFC 7591)."""

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from connect.audit.actions import Actor, record
from portals.keys import NoSigningKey, signing_key
from portals.models import Registration, Source
from portals.smart.assertions import ClientCredentials
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import PortalMisconfigured
from portals.smart.registration import RegisteredClient, register
from portals.smart.scopes import choose

log = structlog.get_logger(__name__)

CLIENT_NAME = "Connect"


class NoRegistration(Exception):
    """We have no app at this portal."""


def registration_for(*, source: Source, organization_id: str | None) -> Registration:
    """The nearest registration: for the source, else for its vendor; the organisation's own before everybody's.

    Raises NoRegistration.
    """
    found = list(_candidates(source, organization_id))
    if not found:
        raise NoRegistration(source.pk)
    return max(found, key=_nearness)


def _candidates(source: Source, organization_id: str | None):
    place = Q(source_id=source.pk)
    if source.vendor:
        place |= Q(source=None, vendor=source.vendor)
    owner = Q(organization=None)
    if organization_id:
        owner |= Q(organization_id=organization_id)
    return Registration.objects.filter(place, owner, environment=source.environment)


def _nearness(registration: Registration) -> tuple:
    return (registration.source_id is not None, registration.organization_id is not None, registration.created_at)


def credentials(registration: Registration) -> ClientCredentials:
    """What authenticates us at the token endpoint. Raises NoSigningKey for private_key_jwt without a key."""
    is_asymmetric = registration.method == Registration.Method.PRIVATE_KEY_JWT
    return ClientCredentials(
        client_id=registration.client_id,
        method=registration.method,
        secret=registration.client_secret,
        signing_key=signing_key(registration.algorithm) if is_asymmetric else None,
    )


def credentials_or_fault(registration: Registration) -> ClientCredentials:
    """The same for those who are about to call a portal: raises PortalMisconfigured where we cannot prove who we are."""
    try:
        return credentials(registration)
    except (NoSigningKey, ValueError):
        log.error("registration.no_credentials", registration_id=registration.pk)
        raise PortalMisconfigured("no_credentials") from None


def redirect_uri(registration: Registration) -> str:
    """Where the portal sends patients back to: one address a registration (RFC 9700 4.4)."""
    return registration.redirect_uri or f"{settings.BASE_URL}/oauth/callback/{registration.pk}"


def scope_for(*, source: Source, registration: Registration, configuration: SmartConfiguration) -> str:
    """What to ask for: the source's own setting, else the registration's, else by what the portal supports."""
    own = source.overrides.get("scopes") or registration.scopes
    return own or choose(configuration, version=source.overrides.get("smart_version"))


def jwks_uri() -> str:
    """Where portals read our public keys."""
    return f"{settings.BASE_URL}/.well-known/jwks.json"


def register_at(
    *, source: Source, configuration: SmartConfiguration, method: str = "private_key_jwt", by: Actor,
    initial_access_token: str | None = None,
) -> Registration:  # fmt: skip
    """Register an app for this source where it offers that, and keep it. Calls the portal: not in a transaction.

    Raises NoRegistration when the portal has no registration endpoint, and SmartError when it refuses or is down.
    """
    if not configuration.registration_endpoint:
        raise NoRegistration(source.pk)
    registration = Registration(environment=source.environment, source=source, vendor=source.vendor or "")
    registration.scopes = choose(configuration)
    client = register(
        registration_endpoint=configuration.registration_endpoint, client_name=CLIENT_NAME,
        redirect_uri=redirect_uri(registration), method=method, scope=registration.scopes,
        client_uri=settings.BASE_URL, jwks_uri=jwks_uri(), initial_access_token=initial_access_token,
    )  # fmt: skip
    return _keep(registration, client, by)


@transaction.atomic
def _keep(registration: Registration, client: RegisteredClient, by: Actor) -> Registration:
    registration.client_id, registration.method = client.client_id, client.method
    registration.client_secret, registration.secret_expires_at = client.secret, client.secret_expires_at
    registration.programme = "Registered dynamically (RFC 7591)"
    registration.save(force_insert=True)
    record(
        action="registration.created", by=by, environment=registration.environment, object_type="registration",
        object_id=registration.pk, source_id=registration.source_id, method=registration.method,
    )  # fmt: skip
    return registration
