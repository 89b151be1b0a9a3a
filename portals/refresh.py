"""One refresh of one connection: claim, ask, settle (DESIGN 4, "Refresh").

At most one is in flight for a connection, whatever the number of workers: the claim is a lease with a fence, and every
write after it carries the fence. Before the request goes out the row says `sent`; a worker that dies in between leaves a
row that is due again and `uncertain`: the token is sent once more, in the hope of the portal's grace, and a refusal then
honestly ends as a reconnect.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from connect.states import TransitionRefused
from portals import circuits, discovery, registrations, timing
from portals.keys import NoSigningKey
from portals.models import Connection
from portals.payloads import emit_connection_event
from portals.smart import tokens
from portals.smart.assertions import ClientCredentials
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import (
    GrantRefused,
    GrantSuspect,
    OutcomeUncertain,
    PatientChanged,
    PortalMisconfigured,
    PortalUnavailable,
    ProtocolFault,
    SmartError,
)
from portals.smart.judgement import CLIENT_FAULTS
from portals.smart.tokens import TokenResponse
from webhooks.event_types import CONNECTION_EXPIRED, CONNECTION_TOKEN_REFRESH_FAILED

log = structlog.get_logger(__name__)

# A token request takes 30 s at most (outbound.PORTAL_TOKEN), and may wait as long for a thread.
LEASE = timedelta(seconds=90)
FINAL_STRIKES = 2
PORTAL_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Request:
    """All it takes to ask the portal, without the database. `connection` is the row as it was claimed; `is_test`: its
    portal has a circuit, which a success closes."""

    connection: Connection
    token_endpoint: str
    credentials: ClientCredentials
    refresh_token: str = field(repr=False)
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: tokens, or the error."""

    request: Request
    tokens: TokenResponse | None = None
    error: SmartError | None = None


def refresh_connection(connection_id: str, *, only_if_due: bool = True) -> bool:
    """Refresh one connection now; False when another worker holds it, or it is not due.

    `only_if_due=False` refreshes ahead of time: a portal refused the access token. Raises SmartError when it was put off
    or ended instead; the row says so by then.
    """
    claimed = claim([connection_id], only_if_due=only_if_due)
    if not claimed:
        return False
    requests = prepare(claimed)
    if not requests:
        raise PortalUnavailable("portal_left_alone")
    answer = ask(requests[0])
    settle(answer)
    if answer.error:
        raise answer.error
    return True


@transaction.atomic
def claim(connection_ids: list[str], *, only_if_due: bool = True) -> list[Connection]:
    """Lease these connections; those that are not due or that another worker holds are left out."""
    now = timezone.now()
    rows = Connection.objects.due(now) if only_if_due else Connection.objects.free(now).filter(status="active")
    locked = rows.select_for_update(skip_locked=True, of=("self",)).filter(pk__in=connection_ids)
    found = list(locked.select_related("source", "registration", "patient", "organization"))
    until = now + LEASE
    Connection.objects.filter(pk__in=[row.pk for row in found if row.refresh_token]).lease(until=until)
    for row in found:
        if row.refresh_token:
            _remember_lease(row, until)
    return found


def _remember_lease(row: Connection, until: datetime) -> None:
    """The row in memory as `lease` has left it: `uncertain` when an earlier request's answer was lost."""
    row.refresh_state = Connection.Refresh.UNCERTAIN if row.is_refresh_uncertain else Connection.Refresh.SENT
    row.fence, row.leased_until, row.refresh_due_at = row.fence + 1, until, until


def prepare(claimed: list[Connection]) -> list[Request]:
    """The requests to send for what was claimed. What has nothing to send is settled here: lapsed access ends, and a
    portal that is to be left alone is put off."""
    now, requests, known = timezone.now(), [], circuits.known()
    for connection in claimed:
        if _has_ended(connection, now):
            lapse(connection)
        elif wait := _when_allowed(connection, now, known):
            connection.amend(only_if=_guard(connection), refresh_due_at=wait, **_unsent(connection))
        elif request := _request(connection, is_test=circuits.key_of(connection.source) in known):
            requests.append(request)
    return requests


def _has_ended(connection: Connection, now: datetime) -> bool:
    """Whether access is over by the clock: it cannot be renewed, or consent had a known end that has come."""
    return connection.refresh_token is None or bool(connection.access_ends_at and connection.access_ends_at <= now)


def _when_allowed(connection: Connection, now: datetime, known: set[str]) -> datetime | None:
    source = connection.source
    if source.is_paused:
        return source.paused_until
    if circuits.key_of(source) in known or source.overrides.get("token_requests_per_minute"):
        return circuits.admit(source, now)
    return None


def _unsent(connection: Connection) -> dict:
    """Nothing went out after all: back to what was known before the claim."""
    uncertain = connection.refresh_state == Connection.Refresh.UNCERTAIN
    state = Connection.Refresh.UNCERTAIN if uncertain else Connection.Refresh.IDLE
    return {"leased_until": None, "refresh_state": state}


def _request(connection: Connection, *, is_test: bool) -> Request | None:
    pinned = SmartConfiguration.from_dict({"fhir_base_url": connection.source_id} | connection.configuration)
    try:
        credentials = registrations.credentials(connection.registration)
    except (NoSigningKey, ValueError):
        log.error("refresh.no_credentials", connection_id=connection.pk, registration_id=connection.registration_id)
        _put_off(connection, "no_credentials", first=timing.CLIENT_FAULT_RETRY)
        return None
    endpoint = discovery.token_endpoint(connection.source, pinned)
    return Request(connection, endpoint, credentials, connection.refresh_token, is_test)


def ask(request: Request) -> Answer:
    """The one call to the portal; touches no database."""
    connection = request.connection
    try:
        answer = tokens.refresh(
            token_endpoint=request.token_endpoint, credentials=request.credentials, refresh_token=request.refresh_token
        )
        answer.require_same_patient(connection.fhir_patient_id)
    except SmartError as error:
        return Answer(request, error=error)
    return Answer(request, tokens=answer)


def settle(answer: Answer) -> None:
    """Write down what the portal said; nothing is written where the connection has moved on meanwhile."""
    connection = answer.request.connection
    if answer.tokens:
        _renew(answer.request, answer.tokens)
        if answer.request.is_test:
            circuits.note_success(connection.source)
    elif answer.error:
        log.info("refresh.failed", connection_id=connection.pk, reason=answer.error.reason)
        _settle_error(connection, answer.error)


def _renew(request: Request, answer: TokenResponse) -> None:
    """New access token, and the refresh token that replaces the one just used, in one UPDATE."""
    connection, now = request.connection, timezone.now()
    asked = " ".join(connection.scopes)
    renewed: dict = {
        "access_token": answer.access_token,
        "access_expires_at": timing.expires_at(now, answer.expires_in_seconds),
        "refresh_due_at": timing.refresh_due_at(now, answer.expires_in_seconds),
        "previous_refresh_token": None,
    }
    if answer.refresh_token and answer.refresh_token != request.refresh_token:
        renewed |= {"refresh_token": answer.refresh_token, "previous_refresh_token": request.refresh_token}
    if answer.scope is not None:
        renewed["scopes"] = answer.granted(asked).split()
    if answer.grant_ends_at:
        renewed["access_ends_at"] = answer.grant_ends_at
        if answer.grant_ends_at > now + timing.EXPIRY_NOTICE:
            renewed["expiry_announced_at"] = None
    if not connection.renew(fence=connection.fence, **renewed):
        log.warning("refresh.answer_came_late", connection_id=connection.pk)


def _settle_error(connection: Connection, error: SmartError) -> None:
    match error:
        case PatientChanged() | GrantRefused():
            _end_access(connection, error)
        case GrantSuspect() if connection.refresh_strikes + 1 >= FINAL_STRIKES:
            _end_access(connection, error)
        case GrantSuspect():
            _put_off(connection, error.reason, first=timing.SUSPECT_RETRY, strike=True)
        case PortalMisconfigured() if error.reason in CLIENT_FAULTS:
            _refused_as_client(connection, error)
        case OutcomeUncertain() | ProtocolFault():
            circuits.note_failure(connection.source, reason=error.reason)
            _put_off(connection, error.reason, first=timing.UNCERTAIN_RETRY, uncertain=True)
        case _:
            circuits.note_failure(
                connection.source, reason=error.reason, asked_seconds=error.retry_after_seconds
            )  # fmt: skip
            _put_off(connection, error.reason, asked_seconds=error.retry_after_seconds)


def _refused_as_client(connection: Connection, error: SmartError) -> None:
    """`invalid_client` and kin: never the patient's doing. For a second grant it is the portal's, and the portal is
    paused until an operator has looked."""
    if circuits.note_client_fault(connection.source, connection_id=connection.pk):
        connection.source.pause(until=timezone.now() + PORTAL_PAUSE, reason=error.reason)
        record(
            action="portal.paused", by=SYSTEM, environment=connection.environment, object_type="source",
            object_id=connection.source_id, reason=error.reason,
        )  # fmt: skip
    _put_off(connection, error.reason, first=timing.CLIENT_FAULT_RETRY)


def _put_off(
    connection: Connection, reason: str, *, first: timedelta = timing.FIRST_RETRY, asked_seconds: float | None = None,
    uncertain: bool = False, strike: bool = False,
) -> None:  # fmt: skip
    """An interrupted request whose retry was answered by an outage is still uncertain."""
    due_at = timing.retry_at(timezone.now(), connection.refresh_failures, first=first, asked_seconds=asked_seconds)
    still = connection.refresh_state == Connection.Refresh.UNCERTAIN and not strike
    connection.put_off(
        fence=connection.fence, due_at=due_at, reason=reason, uncertain=uncertain or still, strike=strike
    )


@transaction.atomic
def _end_access(connection: Connection, error: SmartError) -> None:
    """The grant is over: tokens gone, the integrator told. The fence is the second look at the row: where another
    worker has stored a newer token meanwhile, this verdict was on an older one and ends nothing."""
    lost = connection.refresh_state == Connection.Refresh.UNCERTAIN
    reason = "lost_response" if lost and error.reason == "invalid_grant" else error.reason
    try:
        connection.end(
            Connection.Status.REFRESH_FAILED, failure_code="refresh_rejected", reason=reason, fence=connection.fence
        )
    except TransitionRefused:
        log.info("refresh.verdict_outdated", connection_id=connection.pk)
        return
    _tell("connection.refresh_failed", CONNECTION_TOKEN_REFRESH_FAILED, connection, reason=reason)


@transaction.atomic
def lapse(connection: Connection) -> None:
    """Time ran out and nobody returned an error: `expired`, `access_lapsed` (contract 2)."""
    try:
        connection.end(
            Connection.Status.EXPIRED, failure_code="access_lapsed", reason="access_lapsed", fence=connection.fence
        )
    except TransitionRefused:
        return
    _tell("connection.expired", CONNECTION_EXPIRED, connection)


def _tell(action: str, event_type: str, connection: Connection, **detail) -> None:
    record(
        action=action, by=SYSTEM, organization_id=connection.organization_id, environment=connection.environment,
        object_type="connection", object_id=connection.pk, **detail,
    )  # fmt: skip
    emit_connection_event(event_type, connection)


def _guard(connection: Connection) -> dict:
    return {"status": Connection.Status.ACTIVE, "fence": connection.fence}
