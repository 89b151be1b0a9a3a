"""What an app's backend or a patient asks of a flow: open, expire, finish."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from connect.audit.actions import PATIENT, Actor, entry
from connect.audit.models import Entry
from connect.crypto import new_token, token_hash
from connect.errors import ResourceConflict, ResourceNotFound
from connect.organizations.lookup import find_patient
from connect.organizations.models import Patient
from connect.statements import insert
from connect.states import TransitionRefused
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.payloads import emit_flow_event
from patientflows.timeline import note
from portals import connections
from portals.lookup import source_named, sources_named
from portals.models import Connection, Source

LINK_TOKEN_BITS = 128


@transaction.atomic(savepoint=False)
def open_flow(
    *, caller, by: Actor, patient_id: str, return_url: str, patient_email=None, patient_name=None, connection_id=None,
    recommended_connection_ids=None, return_button_label=None, expires_in=1800, metadata=None, locale=None,
    reconnect=None,
) -> PatientFlow:  # fmt: skip
    """Make a flow and, where it is absent, its patient. `caller` is the API key.

    Raises ResourceNotFound with `param` for an unknown source or connection.
    """
    patient = ensure_patient(caller=caller, patient_id=patient_id, email=patient_email, name=patient_name)
    reconnects = _connection_to_renew(caller, patient, reconnect)
    source = (
        (reconnects.source.successor or reconnects.source)
        if reconnects
        else _find_source(caller, connection_id, "connection_id")
    )
    recommended = None
    if source is None:
        recommended = _find_recommended(caller, recommended_connection_ids or [])
    flow = PatientFlow(
        organization_id=caller.organization_id, environment=caller.environment, patient=patient, source=source,
        recommended=recommended, reconnects=reconnects, return_url=return_url, return_button_label=return_button_label,
        locale=locale, metadata=metadata or {}, expires_at=timezone.now() + timedelta(seconds=expires_in),
    )  # fmt: skip
    token = new_token(LINK_TOKEN_BITS)
    flow.token, flow.token_hash = token, token_hash(token)
    insert(flow, _entry("patient_flow.created", flow, by))
    return flow


def ensure_patient(*, caller, patient_id: str, email=None, name=None) -> Patient:
    """The organisation's patient of this id, made if absent; what is said of them is taken over."""
    patient = find_patient(caller, patient_id)
    if patient is None:
        made = Patient(
            organization_id=caller.organization_id, environment=caller.environment, patient_id=patient_id,
            email=email, name=name,
        )  # fmt: skip
        if made.add():
            return made
        patient = find_patient(caller, patient_id)  # another request made it between the two statements
    patient.learn(email=email, name=name)
    return patient


def _connection_to_renew(caller, patient: Patient, conn_id: str | None) -> Connection | None:
    if not conn_id:
        return None
    connection = Connection.objects.of(caller).select_related("source").filter(pk=conn_id, patient=patient).first()
    if connection is None:
        raise ResourceNotFound("No such connection of this patient", param="reconnect")
    return connection


def _find_source(caller, named: str | None, param: str) -> Source | None:
    if not named:
        return None
    source = source_named(caller.environment, named)
    if source is None:
        raise ResourceNotFound("No such source in this environment's catalogue", param=param)
    return source


def _find_recommended(caller, named: list[str]) -> list[str]:
    """Source ids in the order given, without repetition."""
    found = sources_named(caller.environment, named)
    for index, name in enumerate(named):
        if name not in found:
            raise ResourceNotFound("No such source in this catalogue", param=f"recommended_connection_ids[{index}]")
    return list(dict.fromkeys(found[name].pk for name in named))


@transaction.atomic
def expire_flow(*, flow: PatientFlow, by: Actor) -> None:
    """End an open link at once; who is at a portal for it comes back to an expired page.

    Raises ResourceConflict when it is not open any more.
    """
    try:
        flow.expire()
    except TransitionRefused:
        raise ResourceConflict("This flow is not open any more") from None
    for attempt in flow.attempts.filter(status=Attempt.Status.PENDING):
        abandon(attempt)
    note(flow, Step.Kind.EXPIRED, outcome="by_request")
    _audit("patient_flow.expired", flow, by)
    emit_flow_event("patient_flow.expired", flow)


def abandon(attempt: Attempt) -> None:
    """End a pending attempt that nobody will come back for; another request may have been quicker.

    What the portal granted and nobody confirmed is given back to it.
    """
    try:
        with transaction.atomic():
            connections.revoke_unattached(attempt)
            attempt.abandon()
            note(attempt.flow, Step.Kind.FAILED, attempt=attempt, outcome=attempt.failure_code)
    except TransitionRefused:
        return


@transaction.atomic
def finish_flow(*, flow: PatientFlow) -> None:
    """The patient pressed Done: complete the flow once, however often the button is pressed."""
    complete(flow)


def complete(flow: PatientFlow, *, by: Actor = PATIENT) -> None:
    """Complete an open flow inside the caller's transaction; of racing requests one writes the event."""
    try:
        flow.complete()
    except TransitionRefused:
        flow.refresh_from_db()
        return
    note(flow, Step.Kind.DONE)
    _audit("patient_flow.completed", flow, by)
    emit_flow_event("patient_flow.completed", flow)


def _audit(action: str, flow: PatientFlow, by: Actor) -> None:
    insert(_entry(action, flow, by))


def _entry(action: str, flow: PatientFlow, by: Actor) -> Entry:
    return entry(
        action=action, by=by, organization_id=flow.organization_id, environment=flow.environment,
        object_type="patient_flow", object_id=flow.pk,
    )  # fmt: skip
