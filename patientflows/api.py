"""The flow operations of contract section 3."""

from rest_framework.response import Response

from connect.errors import ResourceConflict, ResourceNotFound
from connect.openapi import operation, page_of
from connect.organizations.lookup import patient_or_404
from connect.organizations.views import ApiView, NoBody, WritingApiView
from patientflows import actions
from patientflows.models import PatientFlow
from patientflows.serializers import FlowBody, FlowQuery, NewFlow, NewFlowBody, PatientFlowQuery, TimelineBody

TAG = "Patient flows"
# Making a serializer copies every field of it; one that only shows rows can serve all requests.
NEW_FLOW = NewFlowBody()


def flows_of(caller):
    """The caller's flows with what their body shows, in three queries whatever their number."""
    return PatientFlow.objects.of(caller).select_related("patient").prefetch_related("attempts__connection")


class PatientFlows(WritingApiView):
    """`/patient-flows`"""

    tag = TAG
    scopes = {"GET": "patient_flows:read", "POST": "patient_flows:write"}

    @operation("create_patient_flow", body=NewFlow, answers=FlowBody, errors=[ResourceNotFound])
    def post(self, request):
        """Create a flow.

        The answer's `url` is the link for the patient. With `connection_id` or `reconnect` it leads straight to that
        portal's login (Direct Mode); without, the patient searches and chooses (Picker Mode). The patient of a
        `patient_id` that is new is made.
        """
        flow = actions.open_flow(caller=request.auth, by=self.actor, **self.validated(NewFlow))
        return Response(NEW_FLOW.to_representation(flow))

    @operation("list_patient_flows", query=FlowQuery, answers=page_of(FlowBody, "PatientFlowList"))
    def get(self, request):
        """List flows, newest first."""
        query = self.query(FlowQuery)
        flows = flows_of(request.auth)
        if "status" in query:
            flows = flows.filter(status=query["status"])
        if "patient_id" in query:
            flows = flows.filter(patient__patient_id=query["patient_id"])
        return self.page(flows, FlowBody, query=query)


class PatientFlowDetail(ApiView):
    """`/patient-flows/{id}`"""

    tag = TAG
    scopes = {"GET": "patient_flows:read"}

    @operation("get_patient_flow", answers=FlowBody)
    def get(self, request, flow_id):
        """Retrieve a flow."""
        return Response(FlowBody(flows_of(request.auth).get_or_404(pk=flow_id)).data)


class PatientFlowExpiry(WritingApiView):
    """`/patient-flows/{id}/expire`"""

    tag = TAG
    scopes = {"POST": "patient_flows:write"}

    @operation("expire_patient_flow", answers=FlowBody, errors=[ResourceConflict])
    def post(self, request, flow_id):
        """End an open link at once.

        409 `resource_conflict` when the flow is not open any more.
        """
        self.validated(NoBody)
        flow = flows_of(request.auth).get_or_404(pk=flow_id)
        actions.expire_flow(flow=flow, by=self.actor)
        return Response(FlowBody(flows_of(request.auth).get(pk=flow_id)).data)


class PatientFlowTimeline(ApiView):
    """`/patient-flows/{id}/timeline`"""

    tag = TAG
    scopes = {"GET": "patient_flows:read"}

    @operation("get_patient_flow_timeline", answers=TimelineBody)
    def get(self, request, flow_id):
        """Retrieve a flow's timeline.

        Every step with its time and outcome: link opened, search, source chosen, sent to the portal, came back, code
        exchanged, connected or failed, done. No personal data, no search text.
        """
        flow = PatientFlow.objects.of(request.auth).get_or_404(pk=flow_id)
        return Response(TimelineBody({"patient_flow_id": flow.pk, "steps": flow.steps.all()}).data)


class FlowsOfPatient(ApiView):
    """`/patients/{id}/patient-flows`"""

    tag = TAG
    scopes = {"GET": "patient_flows:read"}

    @operation("list_flows_of_patient", query=PatientFlowQuery, answers=page_of(FlowBody, "PatientFlowList"))
    def get(self, request, patient_id):
        """List a patient's flows, newest first."""
        patient = patient_or_404(request.auth, patient_id)
        query = self.query(PatientFlowQuery)
        flows = flows_of(request.auth).filter(patient=patient)
        if "status" in query:
            flows = flows.filter(status=query["status"])
        return self.page(flows, FlowBody, query={**query, "of": patient.pk})
