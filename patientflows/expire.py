"""What the clock ends: links past their time, attempts nobody came back from, exchanges that died half-way."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from connect.states import TransitionRefused
from patientflows.actions import abandon
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.payloads import emit_flow_event
from patientflows.returning import give_up_exchange
from patientflows.timeline import note

BATCH = 200
TIME_TO_PRESS_DONE = timedelta(minutes=15)


def expire_due() -> int:
    """End everything that is due, a transaction each; returns how many rows were ended."""
    return end_attempts() + end_interrupted_exchanges() + end_flows()


def end_attempts() -> int:
    """Attempts whose state has run out: abandoned; what was granted but never confirmed is revoked."""
    now = timezone.now()
    due = Attempt.objects.filter(status="pending", expires_at__lte=now).exclude(stage=Attempt.Stage.EXCHANGING)
    attempts = list(due.select_related("flow", "source", "registration")[:BATCH])
    for attempt in attempts:
        abandon(attempt)
    return len(attempts)


def end_interrupted_exchanges() -> int:
    """A worker or web process died while it spent a code."""
    due = Attempt.objects.filter(status="pending", stage=Attempt.Stage.EXCHANGING, leased_until__lte=timezone.now())
    attempts = list(due.select_related("flow__patient", "source")[:BATCH])
    for attempt in attempts:
        give_up_exchange(attempt)
    return len(attempts)


def end_flows() -> int:
    """Open flows past their time, unless the patient is still at a portal or has just come back from one."""
    now = timezone.now()
    at_portal = Attempt.objects.filter(flow=OuterRef("pk"), status="pending")
    just_back = Attempt.objects.filter(flow=OuterRef("pk"), settled_at__gt=now - TIME_TO_PRESS_DONE)
    due = (
        PatientFlow.objects.filter(status="open", expires_at__lte=now)
        .exclude(Exists(at_portal))
        .exclude(Exists(just_back))
    )
    flows = list(due.order_by("expires_at")[:BATCH])
    for flow in flows:
        expire(flow)
    return len(flows)


@transaction.atomic
def expire(flow: PatientFlow) -> None:
    """Expire one flow with its event; another worker may have been quicker."""
    try:
        flow.expire()
    except TransitionRefused:
        return
    note(flow, Step.Kind.EXPIRED)
    record(
        action="patient_flow.expired", by=SYSTEM, organization_id=flow.organization_id, environment=flow.environment,
        object_type="patient_flow", object_id=flow.pk,
    )  # fmt: skip
    emit_flow_event("patient_flow.expired", flow)
