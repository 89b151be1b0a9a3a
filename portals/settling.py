"""Writing down what a portal said to a refresh. Every write carries the claim's fence: where the connection has moved on
meanwhile nothing is written, and what the portal gave us too late is given back."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from django.db import InterfaceError, OperationalError, transaction
from django.db import connection as database
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from connect.states import TransitionRefused
from portals import circuits, timing
from portals.exchanges import Answer
from portals.models import Connection
from portals.payloads import emit_connection_event
from portals.revocations import queue_given
from portals.smart import scopes
from portals.smart.errors import (
    GrantRefused,
    GrantSuspect,
    OutcomeUncertain,
    PatientChanged,
    PortalMisconfigured,
    ProtocolFault,
    SmartError,
)
from portals.smart.judgement import CLIENT_FAULTS
from portals.smart.tokens import TokenResponse
from webhooks.event_types import CONNECTION_EXPIRED, CONNECTION_TOKEN_REFRESH_FAILED

log = structlog.get_logger(__name__)

FINAL_STRIKES = 2
# An app refused for one grant only, while the portal went on accepting it for others in between.
FINAL_CLIENT_STRIKES = 3
PORTAL_PAUSE = timedelta(hours=1)
# A rotated refresh token exists nowhere but here: a database that is away for a moment is waited for.
DATABASE_RETRIES_SECONDS = (0.2, 1, 3, 10)


def settle(answer: Answer) -> None:
    """Store the new tokens before anything else happens, or act on the error. Raises DatabaseError when all fails: the
    row is then found `uncertain` when its lease has run out."""
    if answer.is_granted:
        _surely(lambda: _renew([answer]))
    _follow_up(answer)


def settle_together(answers: list[Answer]) -> None:
    """Settle what came back at once: the new tokens of all in one transaction, before anything else happens.

    What cannot be settled is logged, and found `uncertain` when its lease has run out; it holds up nobody else's answer.
    """
    granted = [answer for answer in answers if answer.is_granted]
    if len(granted) > 1 and _is_done(lambda: _surely(lambda: _renew(granted)), granted):
        for answer in answers:
            _is_done(partial(_follow_up, answer), [answer])
    else:
        for answer in answers:
            _is_done(partial(settle, answer), [answer])


def _is_done(step: Callable[[], None], answers: list[Answer]) -> bool:
    try:
        step()
    except Exception as error:  # noqa: BLE001
        ids = [answer.connection.pk for answer in answers]
        log.error("refresh.settling_failed", connection_ids=ids, error=type(error).__name__)
        return False
    return True


def _follow_up(answer: Answer) -> None:
    """What an answer means beside the tokens it brought."""
    if answer.is_granted and answer.request.has_circuit:
        _surely(lambda: circuits.note_answer(answer.connection, accepted=True))
    elif answer.error:
        log.info("refresh.failed", connection_id=answer.connection.pk, reason=answer.error.reason)
        _surely(lambda: _settle_error(answer, answer.error))


def _surely(step: Callable[[], None]) -> None:
    for seconds in DATABASE_RETRIES_SECONDS:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            log.warning("refresh.database_away", error=type(error).__name__)
            time.sleep(seconds)
            if not database.in_atomic_block:
                database.close_if_unusable_or_obsolete()
    return step()


def _renew(answers: list[Answer]) -> None:
    """New access tokens, and the refresh tokens that replace those just used, in one transaction."""
    taken = Connection.objects.renew([(answer.connection, _renewal(answer)) for answer in answers])
    for answer in answers:
        if answer.connection.pk not in taken:
            log.warning("refresh.answer_came_late", connection_id=answer.connection.pk)
            _give_back_if_over(answer.connection, answer.tokens)


def _renewal(answer: Answer) -> dict:
    connection, tokens = answer.connection, answer.tokens
    renewed = _life(connection, tokens) | _scopes(connection, tokens) | {"access_token": tokens.access_token}
    renewed["previous_refresh_token"] = None
    if connection.access_token is None:  # the first one of a grant that was taken over
        renewed["next_pull_at"] = timezone.now()
    if tokens.refresh_token and tokens.refresh_token != answer.request.refresh_token:
        renewed["refresh_token"] = tokens.refresh_token
        renewed["previous_refresh_token"] = answer.request.refresh_token
    return renewed


def _life(connection: Connection, tokens: TokenResponse) -> dict:
    now = timezone.now()
    life: dict = {
        "access_expires_at": timing.expires_at(now, tokens.expires_in_seconds),
        "refresh_due_at": timing.refresh_due_at(now, tokens.expires_in_seconds),
    }
    if tokens.grant_ends_at:
        ends_at = min(filter(None, (tokens.grant_ends_at, connection.source.moves_at)))
        life["access_ends_at"] = ends_at
        if ends_at > now + timing.EXPIRY_NOTICE:
            life["expiry_announced_at"] = None
    return life


def _scopes(connection: Connection, tokens: TokenResponse) -> dict:
    """The scopes in force from now on: later pulls follow a narrower grant. An answer that tells none changes none."""
    if tokens.scope is None:
        return {}
    asked = " ".join([*connection.scopes, *connection.scopes_missing])
    lacking = [scope for scope in scopes.missing(asked, tokens.scope) if scopes.parse(scope)]
    kept = [scope for scope in connection.scopes if not scopes.parse(scope)]
    granted = list(dict.fromkeys([*kept, *tokens.scope.split()]))
    if (granted, lacking) == (connection.scopes, connection.scopes_missing):
        return {}
    return {"scopes": granted, "scopes_missing": lacking}


def _give_back_if_over(connection: Connection, tokens: TokenResponse) -> None:
    """Access ended while the portal was making new tokens: nobody will ever use them, so it shall forget them."""
    row = Connection.objects.filter(pk=connection.pk).only("status").first()
    if row is None or not row.is_active:
        queue_given(connection, tokens)


def _settle_error(answer: Answer, error: SmartError) -> None:
    connection = answer.connection
    match error:
        case GrantRefused(reason="invalid_grant") if _can_fall_back(connection):
            connection.fall_back(fence=connection.fence)
        case PatientChanged() | GrantRefused():
            _end_access(answer, error)
        case GrantSuspect() if connection.refresh_strikes + 1 >= FINAL_STRIKES:
            _end_access(answer, error)
        case GrantSuspect():
            _put_off(connection, error.reason, first=timing.SUSPECT_RETRY, strike=True)
        case PortalMisconfigured() if error.reason in CLIENT_FAULTS:
            _refused_as_client(answer, error)
        case OutcomeUncertain() | ProtocolFault():
            _note_outage(connection, error)
            _put_off(connection, error.reason, first=timing.UNCERTAIN_RETRY, uncertain=True)
        case _:
            if isinstance(error, PortalMisconfigured):
                log.error("refresh.portal_misconfigured", source_id=connection.source_id, reason=error.reason)
            _note_outage(connection, error)
            _put_off(connection, error.reason, asked_seconds=error.retry_after_seconds)
    if answer.request.has_circuit and isinstance(error, PatientChanged | GrantRefused | GrantSuspect):
        circuits.note_answer(connection, accepted=True)


def _note_outage(connection: Connection, error: SmartError) -> None:
    if circuits.note_failure(connection, reason=error.reason, asked_seconds=error.retry_after_seconds):
        connection.source.distrust_configuration()


def _can_fall_back(connection: Connection) -> bool:
    """Whether the refused token never worked and the one before is still here. Where a request was interrupted, it is
    the portal that moved on, and an older token would only look like a theft."""
    return bool(connection.previous_refresh_token) and connection.refresh_state != Connection.Refresh.UNCERTAIN


def _refused_as_client(answer: Answer, error: SmartError) -> None:
    """`invalid_client` and kin: a fault of ours or the portal's, so the portal is paused until somebody has looked.

    Some portals say so of one dead grant only (athenahealth): while others are renewed in between, it is the grant.
    """
    connection = answer.connection
    refused_before = circuits.note_client_fault(connection)
    if refused_before is None and connection.refresh_strikes + 1 >= FINAL_CLIENT_STRIKES:
        _end_access(answer, error)
        return
    if refused_before not in (None, connection.pk):
        _pause(connection, error.reason)
    _put_off(connection, error.reason, first=timing.CLIENT_FAULT_RETRY, strike=refused_before is None)


@transaction.atomic
def _pause(connection: Connection, reason: str) -> None:
    """An organisation's own app being refused is no reason to keep the others' patients away."""
    until, registration = timezone.now() + PORTAL_PAUSE, connection.registration
    circuits.open_for(registration, until=until, reason=reason)
    what, pk = "registration", registration.pk
    if registration.organization_id is None:
        what, pk = "portal", connection.source_id
        connection.source.pause(until=until, reason=reason)
    object_type = "source" if what == "portal" else what
    record(
        action=f"{what}.paused", by=SYSTEM, environment=connection.environment, object_type=object_type, object_id=pk,
        organization_id=registration.organization_id or "", reason=reason,
    )  # fmt: skip


def _put_off(
    connection: Connection, reason: str, *, first: timedelta = timing.FIRST_RETRY, asked_seconds: float | None = None,
    uncertain: bool = False, strike: bool = False,
) -> None:  # fmt: skip
    """An interrupted request whose retry brought no verdict is still uncertain."""
    due_at = timing.retry_at(timezone.now(), connection.refresh_failures, first=first, asked_seconds=asked_seconds)
    still = connection.refresh_state == Connection.Refresh.UNCERTAIN
    connection.put_off(
        fence=connection.fence, due_at=due_at, reason=reason, uncertain=uncertain or still, strike=strike
    )


def put_off_without_credentials(connection: Connection) -> None:
    """Nothing was sent: we have no key or no secret to prove who we are. An operator's matter."""
    _put_off(connection, "no_credentials", first=timing.CLIENT_FAULT_RETRY)


@transaction.atomic
def _end_access(answer: Answer, error: SmartError) -> None:
    """The grant is over: tokens gone, the integrator told. The fence is the second look at the row: where another
    worker has stored a newer token meanwhile, this verdict was on an older one and ends nothing."""
    connection = answer.connection
    reason = error.reason
    if connection.refresh_state == Connection.Refresh.UNCERTAIN and reason in ("invalid_grant", "invalid_request"):
        reason = "lost_response"
    try:
        connection.end(
            Connection.Status.REFRESH_FAILED, failure_code="refresh_rejected", reason=reason, fence=connection.fence
        )
    except TransitionRefused:
        log.info("refresh.verdict_outdated", connection_id=connection.pk)
        return
    if answer.tokens:
        queue_given(connection, answer.tokens)
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
