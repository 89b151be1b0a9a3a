"""Leaving for a portal: one attempt row, then the authorisation URL (DESIGN 4, "Leave")."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connect.crypto import token_hash
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.timeline import note
from portals import discovery, registrations
from portals.models import Registration, Source
from portals.smart import authorization
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import SmartError

log = structlog.get_logger(__name__)


class CannotLeave(Exception):
    """The portal cannot be asked now; `failure_code` says why in the contract's words, `attempt` is the failed try."""

    def __init__(self, failure_code: str, attempt: Attempt | None = None):
        super().__init__(failure_code)
        self.failure_code = failure_code
        self.attempt = attempt


@dataclass(frozen=True)
class Departure:
    """Everything that is decided before the patient leaves."""

    registration: Registration
    configuration: SmartConfiguration
    scope: str


def leave_for_portal(*, flow: PatientFlow, source: Source, browser_secret: str, keep_failure: bool = True) -> str:
    """Begin an attempt and return the URL of the portal's login.

    Raises CannotLeave when the portal is not configured or does not answer; `keep_failure` records that as a failed
    attempt (Picker Mode; opening a Direct link must change nothing).
    """
    try:
        departure = prepare(flow, source)
    except CannotLeave as refusal:
        if keep_failure:
            refusal.attempt = record_failure(flow, source, refusal.failure_code)
        raise
    state, nonce, verifier = authorization.new_state(), authorization.new_nonce(), authorization.new_verifier()
    begin_attempt(flow, source, departure, state=state, nonce=nonce, verifier=verifier, browser_secret=browser_secret)
    return authorization.authorization_request(
        departure.configuration,
        client_id=departure.registration.client_id,
        redirect_uri=registrations.redirect_uri(departure.registration),
        scope=departure.scope,
        state=state,
        verifier=verifier,
        nonce=nonce,
        extra=source.overrides.get("authorization_parameters"),
    )


def prepare(flow: PatientFlow, source: Source) -> Departure:
    """Find the registration, the portal's configuration and the scopes to ask; may call the portal."""
    if source.is_paused:
        raise CannotLeave("portal_unavailable")
    try:
        registration = registrations.registration_for(source=source, organization_id=flow.organization_id)
        registrations.credentials_or_fault(registration)
        configuration = discovery.configuration_of(source)
    except registrations.NoRegistration:
        log.error("flow.no_registration", source_id=source.pk)
        raise CannotLeave("portal_misconfigured") from None
    except SmartError as error:
        log.warning("flow.discovery_failed", source_id=source.pk, reason=error.reason)
        raise CannotLeave(error.failure_code) from None
    if configuration.refusal:
        log.error("flow.portal_refused", source_id=source.pk, reason=configuration.refusal)
        raise CannotLeave("portal_misconfigured")
    scope = registrations.scope_for(source=source, registration=registration, configuration=configuration)
    return Departure(registration, configuration, scope)


@transaction.atomic
def begin_attempt(
    flow: PatientFlow, source: Source, departure: Departure, *, state: str, nonce: str, verifier: str,
    browser_secret: str,
) -> Attempt:  # fmt: skip
    """Write what the callback will need: hashed state, sealed verifier, pinned configuration."""
    attempt = Attempt(
        flow=flow, source=source, registration=departure.registration, state_hash=token_hash(state),
        browser_hash=token_hash(browser_secret), configuration=departure.configuration.to_dict(),
        scope=departure.scope, expires_at=timezone.now() + timedelta(seconds=settings.STATE_LIFETIME_SECONDS),
    )  # fmt: skip
    attempt.verifier, attempt.nonce = verifier, nonce
    attempt.save(force_insert=True)
    note(flow, Step.Kind.SOURCE_CHOSEN, attempt=attempt)
    note(flow, Step.Kind.SENT_TO_PORTAL, attempt=attempt)
    return attempt


@transaction.atomic
def record_failure(flow: PatientFlow, source: Source, failure_code: str) -> Attempt | None:
    """Keep a try that never left as a failed attempt; None where no registration exists to hang it on."""
    try:
        registration = registrations.registration_for(source=source, organization_id=flow.organization_id)
    except registrations.NoRegistration:
        registration = None
    attempt = Attempt.objects.create(
        flow=flow, source=source, registration=registration, state_hash=token_hash(authorization.new_state()),
        expires_at=timezone.now(),
    )  # fmt: skip
    attempt.fail(failure_code)
    note(flow, Step.Kind.FAILED, attempt=attempt, outcome=failure_code)
    return attempt
