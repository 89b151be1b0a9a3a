"""Event bodies of flows (contract 6.1): `data.object` is the full PatientFlow."""

from patientflows.models import PatientFlow
from patientflows.serializers import FlowBody
from webhooks.actions import emit


def emit_flow_event(event_type: str, flow: PatientFlow) -> None:
    """Write the event in the transaction of the flow's change."""
    fresh = PatientFlow.objects.select_related("patient").prefetch_related("attempts__connection").get(pk=flow.pk)
    emit(tenant=flow.tenant, type=event_type, object=dict(FlowBody(fresh).data), patient_id=fresh.patient.patient_id)
