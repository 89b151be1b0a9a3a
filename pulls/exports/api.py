"""The exports operations of contract section 5.2."""

from typing import ClassVar

from rest_framework.response import Response

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

READ, WRITE = "exports:read", "exports:write"


class Destinations(WritingApiView):
    """`/export-destinations`"""

    scopes: ClassVar = {"GET": READ, "POST": WRITE}

    def initial(self, request, *args, **kwargs):
        """The place is tried before anything else: writing handlers run in a transaction, which must not wait for it."""
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self.body = self.validated(NewDestination)
            actions.check_settings(
                **{name: value for name, value in self.body.items() if name not in ("name", "enabled")}
            )

    def get(self, request):
        """List export destinations, newest first."""
        return self.page(Destination.objects.of(request.auth), DestinationBody, query=self.query(PageQuery))

    def post(self, request):
        """Create an export destination, once it could be written; its first run, of everything, begins at once."""
        destination = actions.create_destination(tenant=request.auth, by=self.actor, **self.body)
        return Response(DestinationBody(destination).data)


class DestinationDetail(ApiView):
    """`/export-destinations/{id}`"""

    scopes: ClassVar = {"GET": READ, "PATCH": WRITE}

    def destination(self, destination_id: str) -> Destination:
        return Destination.objects.of(self.request.auth).get_or_404(pk=destination_id)

    def get(self, request, destination_id):
        """Retrieve an export destination, without its credentials."""
        return Response(DestinationBody(self.destination(destination_id)).data)

    def patch(self, request, destination_id):
        """Change a destination's name, settings, credentials or enabled. New settings and credentials are tried first."""
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

    scopes: ClassVar = {"GET": READ, "POST": WRITE}

    def get(self, request):
        """List export runs, newest first."""
        query = self.query(ExportQuery)
        exports = Export.objects.of(request.auth)
        for name in ("status", "destination_id"):
            if name in query:
                exports = exports.filter(**{name: query[name]})
        return self.page(exports, ExportBody, query=query)

    def post(self, request):
        """Start a run by hand: of what changed since the last one, or of everything."""
        body = self.validated(NewExport)
        destination = Destination.objects.of(request.auth).get_or_404(pk=body["destination_id"])
        export = actions.start_export(destination=destination, mode=body["mode"], by=self.actor)
        return Response(ExportBody(export).data)


class ExportDetail(ApiView):
    """`/exports/{id}`"""

    scopes: ClassVar = {"GET": READ}

    def get(self, request, export_id):
        """Retrieve an export run."""
        return Response(ExportBody(Export.objects.of(request.auth).get_or_404(pk=export_id)).data)
