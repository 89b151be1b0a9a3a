"""The records and pulls operations of contract section 5."""

from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.response import Response

from connect.errors import ResourceNotFound
from connect.organizations.models import Patient
from connect.organizations.views import ApiView, WritingApiView
from portals.models import Connection
from pulls import actions, read
from pulls.completeness import completeness_of
from pulls.models import Pull
from pulls.serializers import PullBody, PullQuery, RecordsQuery, SelectionQuery, records_body, selection_of

NDJSON = "application/fhir+ndjson"


def patient_of(caller, patient_id: str) -> Patient:
    return Patient.objects.of(caller).get_or_404(patient_id=patient_id)


def pulls_of(caller):
    return Pull.objects.of(caller).select_related("patient", "connection").prefetch_related("searches")


class Records(ApiView):
    """A patient's records, oldest landing first."""

    scopes = {"GET": "records:read"}

    def get(self, request, patient_id):
        patient = patient_of(request.auth, patient_id)
        query = self.query(RecordsQuery)
        selection = selection_of(query)
        page = read.read_page(
            patient, selection, count=query["count"], starting_after=query.get("starting_after"),
            ending_before=query.get("ending_before"),
        )  # fmt: skip
        return HttpResponse(records_body(patient, page, selection), content_type="application/json")


class RecordsExport(ApiView):
    """A patient's records as NDJSON, whole or filtered, at constant memory."""

    scopes = {"GET": "records:read"}

    def get(self, request, patient_id):
        patient = patient_of(request.auth, patient_id)
        selection = selection_of(self.query(SelectionQuery))
        return StreamingHttpResponse(read.stream(patient, selection), content_type=NDJSON)


class Completeness(ApiView):
    """What all of the patient's pulls can vouch for, in sentences."""

    scopes = {"GET": "records:read"}

    def get(self, request, patient_id):
        return Response(completeness_of(patient_of(request.auth, patient_id)))


class Pulls(ApiView):
    """The organisation's pulls, newest first."""

    scopes = {"GET": "pulls:read"}

    def get(self, request):
        query = self.query(PullQuery)
        pulls = pulls_of(request.auth)
        if "status" in query:
            pulls = pulls.filter(status=query["status"])
        if "patient_id" in query:
            pulls = pulls.filter(patient__patient_id=query["patient_id"])
        return self.page(pulls, PullBody, query=query)


class PullDetail(ApiView):
    """One pull with its progress."""

    scopes = {"GET": "pulls:read"}

    def get(self, request, pull_id):
        return Response(PullBody(pulls_of(request.auth).get_or_404(pk=pull_id)).data)


class PullManifest(ApiView):
    """What a settled pull can vouch for."""

    scopes = {"GET": "pulls:read"}

    def get(self, request, pull_id):
        pull = Pull.objects.of(request.auth).get_or_404(pk=pull_id)
        if pull.manifest is None:
            raise ResourceNotFound("The manifest is written when the pull is settled")
        return HttpResponse(pull.manifest, content_type="application/json")


class PullNow(WritingApiView):
    """Queue a pull by hand; the open one, where there is one."""

    scopes = {"POST": "pulls:write"}

    def post(self, request, patient_id, conn_id):
        connection = Connection.objects.of(request.auth).get_or_404(pk=conn_id, patient__patient_id=patient_id)
        pull = actions.pull_now(connection=connection, by=self.actor)
        return Response(PullBody(pulls_of(request.auth).get(pk=pull.pk)).data)
