"""How a grant becomes a connection: made, revived for the same FHIR patient at the same source (contract 2), or taken
over from another system."""

import json
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.organizations.models import Patient
from portals import timing
from portals.models import Connection, Registration, Source
from portals.payloads import emit_connection_event
from portals.revocations import queue_revocation
from portals.smart.discovery import SmartConfiguration
from portals.smart.tokens import TokenResponse
from webhooks.event_types import CONNECTION_ACTIVE


@transaction.atomic
def grant(
    *, patient: Patient, source: Source, registration: Registration, tokens: TokenResponse,
    configuration: dict | SmartConfiguration, scopes_asked: str, patient_flow_id: str | None,
) -> tuple[Connection, bool]:  # fmt: skip
    """Turn what the portal granted into an active connection, with its event; in the callback's transaction.

    `configuration` is what discovery said when the patient left, and stays pinned. Returns the connection and whether
    it was revived. Raises PatientMissing: whose records they are is never guessed.
    """
    connection, is_new = _row(patient, source, registration, tokens.require_patient())
    pinned = configuration.to_dict() if isinstance(configuration, SmartConfiguration) else configuration
    connection.take_grant(
        source_id=source.pk, registration_id=registration.pk, patient_flow_id=patient_flow_id, configuration=pinned,
        scopes=tokens.granted(scopes_asked).split(), scopes_missing=list(tokens.scopes_missing(scopes_asked)),
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, **_life(tokens, source),
    )  # fmt: skip
    connection.registration, connection.source = registration, source
    emit_connection_event(CONNECTION_ACTIVE, connection, reconnected=not is_new)
    return connection, not is_new


@transaction.atomic
def adopt(
    *, patient: Patient, source: Source, registration: Registration, configuration: SmartConfiguration,
    fhir_patient_id: str, refresh_token: str, scopes: list[str], refresh_due_at: datetime, by: Actor,
    access_ends_at: datetime | None = None,
) -> tuple[Connection, bool]:  # fmt: skip
    """A grant that another system was given, with its refresh token, as an active connection; whether it is new.

    One that is there already is left alone, whatever its status: its token is newer than the other system's. The first
    refresh, at `refresh_due_at`, proves the grant and has its records fetched. No event tells of it: whoever moves here
    knows these connections.
    """
    connection, is_new = _row(patient, source, registration, fhir_patient_id)
    if is_new:
        connection.take_grant(
            configuration=configuration.to_dict(), scopes=scopes, refresh_token=refresh_token, renewable=True,
            access_ends_at=access_ends_at, refresh_due_at=refresh_due_at,
        )  # fmt: skip
        record(
            action="connection.imported", by=by, organization_id=patient.organization_id,
            environment=patient.environment, object_type="connection", object_id=connection.pk, source=source.pk,
        )  # fmt: skip
    return connection, is_new


def _row(patient: Patient, source: Source, registration: Registration, fhir_patient_id: str) -> tuple[Connection, bool]:
    """The row of this grant, locked, and whether it was made just now.

    Where the source has taken over from another one, that one's connection of the same FHIR patient moves along: its
    records stay, each with the source it came from.
    """
    key = {"patient": patient, "source": source, "fhir_patient_id": fhir_patient_id}
    rows = Connection.objects.select_for_update().filter(**key)
    moving = {"patient": patient, "source__successor": source, "fhir_patient_id": fhir_patient_id}
    found = rows.first() or Connection.objects.select_for_update(of=("self",)).filter(**moving).first()
    if found:
        return found, False
    try:
        with transaction.atomic():
            return Connection.objects.create(
                organization_id=patient.organization_id,
                environment=patient.environment,
                registration=registration,
                **key,
            ), True
    except IntegrityError:  # another callback made it between the two statements
        return rows.get(), False


def _life(tokens: TokenResponse, source: Source) -> dict:
    """The columns that say how long access lasts.

    Without a refresh token it ends with the access token: that is when the row is due, to be ended. An end that is
    less than the notice away is no news to anybody.
    """
    now = timezone.now()
    expires_at = timing.expires_at(now, tokens.expires_in_seconds)
    renewable = tokens.refresh_token is not None
    known_ends = (tokens.grant_ends_at, source.moves_at, None if renewable else expires_at)
    ends_at = min(filter(None, known_ends), default=None)
    is_near = ends_at is not None and ends_at <= now + timing.EXPIRY_NOTICE
    return {
        "renewable": renewable,
        "access_expires_at": expires_at,
        "access_ends_at": ends_at,
        "expiry_announced_at": now if is_near else None,
        "refresh_due_at": timing.refresh_due_at(now, tokens.expires_in_seconds) if renewable else expires_at,
        "refreshed_at": None,
    }


def revoke_unattached(attempt) -> None:
    """Give back what a portal granted to an attempt that was never confirmed; in the transaction that ends it."""
    held = json.loads(attempt.grant) if attempt.grant else {}
    _give_back(attempt, held.get("refresh_token"), held.get("access_token"))


def give_back(attempt, tokens: TokenResponse) -> None:
    """Give back what a portal granted to an attempt that failed all the same (no patient, a forged ID token)."""
    _give_back(attempt, tokens.refresh_token, tokens.access_token)


def _give_back(attempt, refresh_token: str | None, access_token: str | None) -> None:
    for token_type, token in (("refresh_token", refresh_token), ("access_token", access_token)):
        if token:
            queue_revocation(
                source=attempt.source, registration_id=attempt.registration_id, token=token, token_type=token_type,
                configuration=SmartConfiguration.from_dict(attempt.configuration),
            )  # fmt: skip
