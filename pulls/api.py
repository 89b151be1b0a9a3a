"""The records and pulls operations of contract section 5."""

from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.response import Response

from connect.errors import ResourceNotFound
from connect.openapi import operation, page_of
from connect.organizations.lookup import patient_or_404
from connect.organizations.views import ApiView, NoBody, WritingApiView
from portals.models import Connection
from pulls import actions, read
from pulls.completeness import completeness_of
from pulls.described import CompletenessBody, ManifestBody, RecordList
from pulls.models import Pull
from pulls.serializers import PullBody, PullQuery, RecordsQuery, SelectionQuery, records_body, selection_of

NDJSON = "application/fhir+ndjson"


def pulls_of(caller):
    return Pull.objects.of(caller).select_related("patient", "connection").prefetch_related("searches")


class Records(ApiView):
    """`/patients/{id}/records`"""

    tag = "Records"
    scopes = {"GET": "records:read"}

    @operation("list_records", query=RecordsQuery, answers=RecordList)
    def get(self, request, patient_id):
        """List a patient's records.

        The latest version of each, in the order in which versions landed here, oldest first: who keeps the last cursor
        sees every change once. Records can be read while the pull that brings them still runs.
        """
        patient = patient_or_404(request.auth, patient_id)
        query = self.query(RecordsQuery)
        selection = selection_of(query)
        self.note_read("records.read", patient)
        page = read.read_page(
            patient, selection, count=query["count"], starting_after=query.get("starting_after"),
            ending_before=query.get("ending_before"),
        )  # fmt: skip
        return HttpResponse(records_body(patient, page, selection), content_type="application/json")


class RecordsExport(ApiView):
    """`/patients/{id}/records/$export`"""

    tag = "Records"
    scopes = {"GET": "records:read"}

    @operation(
        "export_records", query=SelectionQuery, answers={"type": "string"}, media_type=NDJSON,
    )  # fmt: skip
    def get(self, request, patient_id):
        """Stream a patient's records as NDJSON.

        One resource a line, whole or filtered.
        """
        patient = patient_or_404(request.auth, patient_id)
        selection = selection_of(self.query(SelectionQuery))
        self.note_read("records.exported", patient)
        return StreamingHttpResponse(read.stream(patient, selection), content_type=NDJSON)


class Completeness(ApiView):
    """`/patients/{id}/completeness`"""

    tag = "Records"
    scopes = {"GET": "records:read"}

    @operation("get_completeness", answers=CompletenessBody)
    def get(self, request, patient_id):
        """Tell how complete a patient's records are.

        What the last pull of each connection can vouch for, and the same in sentences that a support desk can send.
        """
        return Response(completeness_of(patient_or_404(request.auth, patient_id)))


class Pulls(ApiView):
    """`/pulls`"""

    tag = "Pulls"
    scopes = {"GET": "pulls:read"}

    @operation("list_pulls", query=PullQuery, answers=page_of(PullBody, "PullList"))
    def get(self, request):
        """List pulls, newest first."""
        query = self.query(PullQuery)
        pulls = pulls_of(request.auth)
        if "status" in query:
            pulls = pulls.filter(status=query["status"])
        if "patient_id" in query:
            pulls = pulls.filter(patient__patient_id=query["patient_id"])
        return self.page(pulls, PullBody, query=query)


class PullDetail(ApiView):
    """`/pulls/{id}`"""

    tag = "Pulls"
    scopes = {"GET": "pulls:read"}

    @operation("get_pull", answers=PullBody)
    def get(self, request, pull_id):
        """Retrieve a pull with its progress."""
        return Response(PullBody(pulls_of(request.auth).get_or_404(pk=pull_id)).data)


class PullManifest(ApiView):
    """`/pulls/{id}/manifest`"""

    tag = "Pulls"
    scopes = {"GET": "pulls:read"}

    @operation("get_pull_manifest", answers=ManifestBody)
    def get(self, request, pull_id):
        """Retrieve a pull's manifest.

        Each query sent, what it brought, what was refused and why. Its SHA-256 is in the pull's event. 404 until the
        pull is settled.
        """
        pull = Pull.objects.of(request.auth).get_or_404(pk=pull_id)
        if pull.manifest is None:
            raise ResourceNotFound("The manifest is written when the pull is settled")
        return HttpResponse(pull.manifest, content_type="application/json")


class PullRetry(WritingApiView):
    """`/pulls/{id}/retry`"""

    tag = "Pulls"
    scopes = {"POST": "pulls:write"}

    @operation("retry_pull", answers=PullBody)
    def post(self, request, pull_id):
        """Ask again for what a pull could not have.

        Its failed and refused types, whole, and the documents that failed: nothing else is asked for. Answers the new
        pull, or the one that is open already. 409 `resource_conflict` where nothing lacks, the pull was canceled or has
        not ended, a later one has asked since, or the connection is not active.
        """
        self.validated(NoBody)
        pull = pulls_of(request.auth).get_or_404(pk=pull_id)
        made = actions.retry_failed_types(pull=pull, by=self.actor)
        return Response(PullBody(pulls_of(request.auth).get(pk=made.pk)).data)


class PullNow(WritingApiView):
    """`/patients/{id}/connections/{conn_id}/pull`"""

    tag = "Pulls"
    scopes = {"POST": "pulls:write"}

    @operation("pull_now", answers=PullBody)
    def post(self, request, patient_id, conn_id):
        """Pull a connection's records now.

        Answers the pull: the open one, where there is one. 409 `resource_conflict` for a connection that is not active.
        """
        self.validated(NoBody)
        connection = Connection.objects.of(request.auth).get_or_404(pk=conn_id, patient__patient_id=patient_id)
        pull = actions.pull_now(connection=connection, by=self.actor)
        return Response(PullBody(pulls_of(request.auth).get(pk=pull.pk)).data)
