"""Coming back from a portal: the callback (DESIGN 4, "Return"; contract 3.1).

`state` is spent once, by one guarded UPDATE. Whoever comes second (a reload, a double delivery) waits for the first
one's outcome and gets the same answer.
"""

import json
import time
from dataclasses import asdict, replace
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from connect.audit.actions import PATIENT, record
from connect.crypto import token_hash
from connect.states import TransitionRefused
from patientflows.actions import abandon, complete
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.personal_links import ensure_link
from patientflows.receipts.issuing import issue_receipt
from patientflows.timeline import note
from portals import connections, registrations
from portals.smart import authorization, tokens
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import SmartError
from portals.smart.id_tokens import validate_id_token
from portals.smart.tokens import TokenResponse
from pulls.actions import queue_pull

log = structlog.get_logger(__name__)

EXCHANGE_LEASE = timedelta(seconds=60)
SECOND_REQUEST_WAIT_SECONDS = 12


class UnknownState(Exception):
    """No attempt has this state, or it is long over: nothing is exchanged, no portal is contacted."""


def find_attempt(*, registration_id: str, state: str | None) -> Attempt:
    """The attempt this callback belongs to. Raises UnknownState, also for the redirect URI of another registration
    (mix-up, RFC 9700 4.4)."""
    attempt = (
        Attempt.objects.select_related("flow__patient", "flow__organization", "source", "registration", "connection")
        .filter(state_hash=token_hash(state or ""))
        .first()
    )
    if attempt is None or attempt.registration_id != registration_id:
        raise UnknownState()
    return attempt


def come_back(*, attempt: Attempt, query_string: str, same_browser: bool) -> Attempt:
    """Settle the attempt by what the portal said, or hold it for confirmation; returns it as it then stands."""
    if attempt.is_pending and attempt.has_run_out and attempt.stage == Attempt.Stage.LEFT:
        abandon(attempt)
    if attempt.flow.status == PatientFlow.Status.EXPIRED and attempt.is_pending:
        abandon(attempt)
    if not attempt.is_pending or attempt.stage == Attempt.Stage.CONFIRMING:
        return attempt
    if not attempt.start_exchange(lease=EXCHANGE_LEASE):
        return wait_for_outcome(attempt)
    note(attempt.flow, Step.Kind.CAME_BACK, attempt=attempt)
    try:
        token_response = exchange(attempt, query_string)
    except SmartError as error:
        log.info("flow.attempt_failed", attempt_id=attempt.pk, failure_code=error.failure_code, reason=error.reason)
        fail(attempt, error.failure_code, hint=error.reason)
        return attempt
    note(attempt.flow, Step.Kind.CODE_EXCHANGED, attempt=attempt)
    if same_browser:
        attach(attempt, token_response)
    else:
        attempt.await_confirmation(held(token_response))
    return attempt


def exchange(attempt: Attempt, query_string: str) -> TokenResponse:
    """Check the callback and spend the code at the pinned token endpoint. Raises SmartError."""
    configuration = SmartConfiguration.from_dict(attempt.configuration)
    came = authorization.parse_callback(
        query_string,
        expected_issuer=configuration.issuer,
        iss_required=configuration.authorization_response_iss_parameter_supported,
    )
    answer = tokens.exchange_code(
        token_endpoint=configuration.token_endpoint,
        credentials=registrations.credentials_or_fault(attempt.registration),
        code=came.code,
        redirect_uri=registrations.redirect_uri(attempt.registration),
        verifier=attempt.verifier,
    )
    try:
        return with_patient(attempt, answer, configuration)
    except SmartError:
        connections.give_back(attempt, answer)
        raise


def with_patient(attempt: Attempt, answer: TokenResponse, configuration: SmartConfiguration) -> TokenResponse:
    """The answer, naming its patient. Raises IdTokenInvalid or PatientMissing: a patient is never guessed."""
    who = None
    if answer.id_token:
        nonce = attempt.nonce if "openid" in attempt.scope.split() else None
        who = validate_id_token(
            answer.id_token, configuration=configuration, client_id=attempt.registration.client_id, nonce=nonce
        )
    if answer.patient is None and who and attempt.source.overrides.get("patient_from_fhir_user"):
        answer = replace(answer, patient=who.patient_id(attempt.source.fhir_base_url))
    answer.require_patient()
    return answer


@transaction.atomic
def attach(attempt: Attempt, token_response: TokenResponse) -> None:
    """The one transaction of success: attempt, connection, first pull, events, and a Direct flow's completion."""
    flow = attempt.flow
    connection, reconnected = connections.grant(
        patient=flow.patient, source=attempt.source, registration=attempt.registration, tokens=token_response,
        configuration=attempt.configuration, scopes_asked=attempt.scope, patient_flow_id=flow.pk,
    )  # fmt: skip
    attempt.connect(connection, reconnected=reconnected)
    attempt.connection = connection
    note(flow, Step.Kind.CONNECTED, attempt=attempt)
    record(
        action="connection.reconnected" if reconnected else "connection.granted", by=PATIENT,
        organization_id=flow.organization_id, environment=flow.environment, object_type="connection",
        object_id=connection.pk, patient_flow_id=flow.pk,
    )  # fmt: skip
    issue_receipt(attempt=attempt, connection=connection)
    ensure_link(patient=flow.patient)
    queue_pull(connection=connection, trigger="connected")
    if flow.is_direct:
        complete(flow)


@transaction.atomic
def fail(attempt: Attempt, failure_code: str, *, hint: str = "") -> None:
    """The one transaction of failure; a Direct flow completes with it."""
    try:
        attempt.fail(failure_code, hint=hint[:200])
    except TransitionRefused:
        attempt.refresh_from_db()
        return
    note(attempt.flow, Step.Kind.FAILED, attempt=attempt, outcome=failure_code)
    if attempt.flow.is_direct:
        complete(attempt.flow)


def wait_for_outcome(attempt: Attempt) -> Attempt:
    """Another request is exchanging this code: wait a little for what it finds."""
    attempt.refresh_from_db()
    deadline = time.monotonic() + SECOND_REQUEST_WAIT_SECONDS
    while attempt.is_pending and attempt.stage == Attempt.Stage.EXCHANGING and time.monotonic() < deadline:
        time.sleep(0.2)
        attempt.refresh_from_db()
    if attempt.is_pending and attempt.leased_until and attempt.leased_until <= timezone.now():
        give_up_exchange(attempt)
    return attempt


def give_up_exchange(attempt: Attempt) -> None:
    """Whoever was exchanging died. The code may be spent, and is never sent twice: the patient starts again."""
    fail(attempt, "token_exchange_failed", hint="interrupted between the code and the portal's answer")


def held(token_response: TokenResponse) -> str:
    """What was granted, as text to be sealed on the attempt."""
    return json.dumps(asdict(token_response), default=datetime.isoformat)


def unheld(text: str) -> TokenResponse:
    """The inverse of `held`."""
    values = json.loads(text)
    ends_at = values.pop("grant_ends_at")
    return TokenResponse(**values, grant_ends_at=datetime.fromisoformat(ends_at) if ends_at else None)


def confirm(*, attempt: Attempt) -> None:
    """The right six characters were typed where the patient began: attach what was held."""
    try:
        attach(attempt, unheld(attempt.grant))
    except TransitionRefused:  # a double click: the other request attached it
        attempt.refresh_from_db()


@transaction.atomic
def reject(*, attempt: Attempt) -> None:
    """Too many wrong codes: whoever types has not seen the right one. What was granted is given back to the portal."""
    connections.revoke_unattached(attempt)
    fail(attempt, "oauth_callback_failed", hint="six-character code typed wrong too often")
