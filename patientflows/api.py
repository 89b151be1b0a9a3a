"""The flow operations of contract section 3."""

from rest_framework.response import Response

from connect.organizations.models import Patient
from connect.organizations.views import ApiView, WritingApiView
from patientflows import actions
from patientflows.models import PatientFlow
from patientflows.serializers import FlowBody, FlowQuery, NewFlow, NewFlowBody, PatientFlowQuery, StepBody


def flows_of(caller):
    """The caller's flows with what their body shows, in three queries whatever their number."""
    return PatientFlow.objects.of(caller).select_related("patient").prefetch_related("attempts__connection")


class PatientFlows(WritingApiView):
    """Make a flow; list an organisation's flows."""

    scopes = {"GET": "patient_flows:read", "POST": "patient_flows:write"}

    def post(self, request):
        flow = actions.open_flow(caller=request.auth, by=self.actor, **self.validated(NewFlow))
        return Response(NewFlowBody(flow).data)

    def get(self, request):
        query = self.query(FlowQuery)
        flows = flows_of(request.auth)
        if "status" in query:
            flows = flows.filter(status=query["status"])
        if "patient_id" in query:
            flows = flows.filter(patient__patient_id=query["patient_id"])
        return self.page(flows, FlowBody, query=query)


class PatientFlowDetail(ApiView):
    """One flow."""

    scopes = {"GET": "patient_flows:read"}

    def get(self, request, flow_id):
        return Response(FlowBody(flows_of(request.auth).get_or_404(pk=flow_id)).data)


class PatientFlowExpiry(WritingApiView):
    """End an open link at once."""

    scopes = {"POST": "patient_flows:write"}

    def post(self, request, flow_id):
        flow = flows_of(request.auth).get_or_404(pk=flow_id)
        actions.expire_flow(flow=flow, by=self.actor)
        return Response(FlowBody(flows_of(request.auth).get(pk=flow_id)).data)


class PatientFlowTimeline(ApiView):
    """Every step of a flow with its time and outcome."""

    scopes = {"GET": "patient_flows:read"}

    def get(self, request, flow_id):
        flow = PatientFlow.objects.of(request.auth).get_or_404(pk=flow_id)
        steps = StepBody(flow.steps.all(), many=True).data
        return Response({"resource_type": "patient_flow_timeline", "patient_flow_id": flow.pk, "steps": steps})


class FlowsOfPatient(ApiView):
    """A patient's flows."""

    scopes = {"GET": "patient_flows:read"}

    def get(self, request, patient_id):
        patient = Patient.objects.of(request.auth).get_or_404(patient_id=patient_id)
        query = self.query(PatientFlowQuery)
        flows = flows_of(request.auth).filter(patient=patient)
        if "status" in query:
            flows = flows.filter(status=query["status"])
        return self.page(flows, FlowBody, query={**query, "of": patient.pk})
