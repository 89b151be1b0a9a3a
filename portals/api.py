"""The catalogue (contract 4), the sandbox's clock, and the keys we sign with."""

from typing import ClassVar

from django.http import JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from rest_framework.response import Response

from connect.errors import InvalidData, ResourceNotFound
from connect.openapi import operation, page_of
from connect.organizations.models import Environment
from connect.organizations.views import ApiView, WritingApiView
from connect.pagination import issue_cursor, list_envelope, read_cursor
from portals import actions, catalogue_pages
from portals.keys import JWKS_MAX_AGE_SECONDS, published_key_set
from portals.lookup import source_named
from portals.models import Connection
from portals.serializers import Advance, ConnectionBody, SourceBody, SourceQuery


class Sources(ApiView):
    """`/connections`: the catalogue, by name; ranked where something is looked for."""

    tag = "Catalogue"
    scopes: ClassVar = {"GET": "connections:read"}

    @operation("list_sources", query=SourceQuery, answers=page_of(SourceBody, "FhirSourceList"))
    def get(self, request):
        """List the sources a patient may choose.

        By name; with `q`, ranked by how well they match.
        """
        query = self.query(SourceQuery)
        filters = {key: value for key, value in query.items() if key not in ("limit", "starting_after")}
        after = read_cursor(query["starting_after"], filters) if "starting_after" in query else None
        try:
            sources, position = catalogue_pages.page(
                request.auth.environment, filters, limit=query["limit"], after=after
            )
        except catalogue_pages.WrongPosition:
            raise InvalidData("This cursor belongs to another list", param="starting_after") from None
        cursor = issue_cursor(position, filters) if position else None
        return Response(list_envelope(SourceBody(sources, many=True).data, cursor))


class SourceDetail(ApiView):
    """`/connections/{id}`"""

    tag = "Catalogue"
    scopes: ClassVar = {"GET": "connections:read"}

    @operation("get_source", answers=SourceBody)
    def get(self, request, named):
        """Retrieve a source.

        By its id (`fhirsrc_…`) or its URL-encoded FHIR base URL.
        """
        source = source_named(request.auth.environment, named)
        if source is None:
            raise ResourceNotFound()
        return Response(SourceBody(source).data)


class AdvanceConnection(WritingApiView):
    """`/sandbox/connections/{id}/advance`"""

    tag = "Sandbox"
    scopes: ClassVar = {"POST": "pulls:write"}

    @operation("advance_connection", body=Advance, answers=ConnectionBody)
    def post(self, request, conn_id):
        """Live through a connection's future.

        Expiry, refresh, end of consent, next pull and notices of the next `seconds` happen now. Sandbox keys only.
        """
        if request.auth.environment != Environment.SANDBOX:
            raise ResourceNotFound()
        connection = Connection.objects.of(request.auth).get_or_404(pk=conn_id)
        actions.advance(connection=connection, by=self.actor, **self.validated(Advance))
        return Response(ConnectionBody(connection).data)


@require_safe
@cache_control(public=True, max_age=JWKS_MAX_AGE_SECONDS)
def key_set(request):
    """Our public keys, for portals that verify our assertions (RFC 7517)."""
    return JsonResponse(published_key_set())
