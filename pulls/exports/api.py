"""The exports operations of contract section 5.2."""

from typing import ClassVar

from rest_framework.response import Response

from connect.errors import ResourceConflict, ResourceNotFound, StorageError
from connect.openapi import operation, page_of
from connect.organizations.views import ApiView, WritingApiView
from connect.pagination import PageQuery
from pulls.exports import actions
from pulls.exports.models import Destination, Export
from pulls.exports.serializers import (
    DestinationBody,
    DestinationChanges,
    ExportBody,
    ExportQuery,
    NewDestination,
    NewExport,
)

READ, WRITE, TAG = "exports:read", "exports:write", "Exports"


class Destinations(WritingApiView):
    """`/export-destinations`"""

    tag = TAG
    scopes: ClassVar = {"GET": READ, "POST": WRITE}

    def initial(self, request, *args, **kwargs):
        """The place is tried before anything else: writing handlers run in a transaction, which must not wait for it."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.body = self.validated(NewDestination)
            actions.check_settings(
                **{name: value for name, value in self.body.items() if name not in ("name", "enabled")}
            )

    @operation("list_export_destinations", query=PageQuery, answers=page_of(DestinationBody, "ExportDestinationList"))
    def get(self, request):
        """List export destinations, newest first."""
        return self.page(Destination.objects.of(request.auth), DestinationBody, query=self.query(PageQuery))

    @operation("create_export_destination", body=NewDestination, answers=DestinationBody, errors=[StorageError])
    def post(self, request):
        """Create an export destination.

        It is written to first: 502 `storage_error` when that fails. Its first run, of everything, begins at once.
        """
        destination = actions.create_destination(tenant=request.auth, by=self.actor, **self.body)
        return Response(DestinationBody(destination).data)


class DestinationDetail(ApiView):
    """`/export-destinations/{id}`"""

    tag = TAG
    scopes: ClassVar = {"GET": READ, "PATCH": WRITE}

    def destination(self, destination_id: str) -> Destination:
        return Destination.objects.of(self.request.auth).get_or_404(pk=destination_id)

    @operation("get_export_destination", answers=DestinationBody)
    def get(self, request, destination_id):
        """Retrieve an export destination, without its credentials."""
        return Response(DestinationBody(self.destination(destination_id)).data)

    @operation(
        "update_export_destination", body=DestinationChanges, answers=DestinationBody,
        errors=[ResourceConflict, StorageError],
    )  # fmt: skip
    def patch(self, request, destination_id):
        """Change an export destination.

        What is omitted stays. New settings and credentials are tried first.
        """
        destination = self.destination(destination_id)
        body = self.validated(DestinationChanges, destination=destination)
        if "settings" in body:
            actions.check_settings(
                kind=destination.kind, settings=body["settings"], credentials=body["credentials"]
            )  # fmt: skip
        actions.change_destination(destination=destination, by=self.actor, **body)
        return Response(DestinationBody(destination).data)


class Exports(WritingApiView):
    """`/exports`"""

    tag = TAG
    scopes: ClassVar = {"GET": READ, "POST": WRITE}

    @operation("list_exports", query=ExportQuery, answers=page_of(ExportBody, "ExportList"))
    def get(self, request):
        """List export runs, newest first."""
        query = self.query(ExportQuery)
        exports = Export.objects.of(request.auth)
        for name in ("status", "destination_id"):
            if name in query:
                exports = exports.filter(**{name: query[name]})
        return self.page(exports, ExportBody, query=query)

    @operation("create_export", body=NewExport, answers=ExportBody, errors=[ResourceNotFound])
    def post(self, request):
        """Start an export run.

        Of what changed since the last one, or of everything.
        """
        body = self.validated(NewExport)
        destination = Destination.objects.of(request.auth).get_or_404(pk=body["destination_id"])
        export = actions.start_export(destination=destination, mode=body["mode"], by=self.actor)
        return Response(ExportBody(export).data)


class ExportDetail(ApiView):
    """`/exports/{id}`"""

    tag = TAG
    scopes: ClassVar = {"GET": READ}

    @operation("get_export", answers=ExportBody)
    def get(self, request, export_id):
        """Retrieve an export run."""
        return Response(ExportBody(Export.objects.of(request.auth).get_or_404(pk=export_id)).data)
