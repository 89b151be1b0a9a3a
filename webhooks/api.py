"""The webhook API (contract 6): each method translates and makes one call."""

from typing import ClassVar

from rest_framework.response import Response

from connect.errors import ResourceNotFound
from connect.organizations.models import Environment
from connect.organizations.views import ApiView, WritingApiView
from connect.pagination import issue_cursor, list_envelope, read_cursor
from webhooks import actions, serializers
from webhooks.models import Endpoint, Event
from webhooks.serializers import (
    EndpointBody,
    EndpointWithSecretBody,
    EventBody,
    EventWithDeliveriesBody,
)

READ, WRITE = "webhooks:read", "webhooks:write"


class EndpointView(WritingApiView):
    """What the views of one endpoint share."""

    scopes: ClassVar = {"GET": READ, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}

    def endpoint(self, endpoint_id: str) -> Endpoint:
        return Endpoint.objects.of(self.request.auth).get_or_404(pk=endpoint_id)


class Endpoints(EndpointView):
    """`/webhooks`"""

    def get(self, request):
        """List the organisation's webhook endpoints, newest first."""
        query = self.query(serializers.EndpointQuery)
        endpoints = Endpoint.objects.of(request.auth)
        if "status" in query:
            endpoints = endpoints.filter(status=query["status"])
        return self.page(endpoints, EndpointBody, query=query)

    def post(self, request):
        """Create a webhook endpoint; its signing secret is shown this once."""
        body = self.validated(serializers.NewEndpoint)
        endpoint = actions.create_endpoint(tenant=request.auth, api_version=self.version, by=self.actor, **body)
        return Response(EndpointWithSecretBody(endpoint).data)


class EndpointDetail(EndpointView):
    """`/webhooks/{id}`"""

    def get(self, request, endpoint_id):
        """Retrieve a webhook endpoint, without its secret."""
        return Response(EndpointBody(self.endpoint(endpoint_id)).data)

    def patch(self, request, endpoint_id):
        """Change an endpoint's URL, events, description, metadata or status."""
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.EndpointChanges)
        actions.update_endpoint(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointBody(endpoint).data)

    def delete(self, request, endpoint_id):
        """Delete an endpoint with its history."""
        endpoint = self.endpoint(endpoint_id)
        actions.delete_endpoint(endpoint=endpoint, by=self.actor)
        return Response(serializers.DeletedEndpointBody({"id": endpoint_id}).data)


class RotateSecret(EndpointView):
    """`/webhooks/{id}/rotate-secret`"""

    def post(self, request, endpoint_id):
        """Give the endpoint a new signing secret; the old one may sign too for a while."""
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Rotation)
        actions.rotate_secret(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointWithSecretBody(endpoint).data)


class EndpointEvents(EndpointView):
    """`/webhooks/{id}/events`"""

    def get(self, request, endpoint_id):
        """List an endpoint's events, newest first."""
        endpoint = self.endpoint(endpoint_id)
        query = self.query(serializers.EndpointEventQuery)
        events = endpoint.event_rows.filter(**serializers.delivered_filter(query))
        return self.page(events, EventBody, query=query | {"webhook_id": endpoint_id})


class TestEndpoint(EndpointView):
    """`/webhooks/{id}/test`"""

    def post(self, request, endpoint_id):
        """Send a signed `webhook_endpoint.test` event to the endpoint."""
        endpoint = self.endpoint(endpoint_id)
        self.validated(serializers.NoBody)
        return Response(EventBody(actions.send_test_event(endpoint=endpoint, by=self.actor)).data)


class RecoverEndpoint(EndpointView):
    """`/webhooks/{id}/recover`"""

    def post(self, request, endpoint_id):
        """Queue every event since a time that has not been delivered."""
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Recovery)
        queued = actions.recover(endpoint=endpoint, by=self.actor, **body)
        return Response(serializers.RecoveryBody({"id": endpoint_id, "queued": queued, **body}).data)


class AdvanceEndpoint(EndpointView):
    """`/sandbox/webhooks/{id}/advance`"""

    def post(self, request, endpoint_id):
        """Live through an endpoint's retry schedule: let time pass for its pending events."""
        if request.auth.environment != Environment.SANDBOX:
            raise ResourceNotFound()
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Advance)
        actions.advance(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointBody(endpoint).data)


class Events(ApiView):
    """`/events`"""

    scopes: ClassVar = {"GET": READ}

    def get(self, request):
        """List events with their attempts, newest first; after a sequence number, oldest first."""
        query = self.query(serializers.EventQuery)
        events = Event.objects.of(request.auth).prefetch_related("deliveries")
        if "webhook_id" in query:
            events = events.filter(endpoint=Endpoint.objects.of(request.auth).get_or_404(pk=query["webhook_id"]))
        if "type" in query:
            events = events.filter(type=query["type"])
        if "after_sequence" in query:
            return self._gap(events, query)
        return self.page(events, EventWithDeliveriesBody, query=query)

    def _gap(self, events, query: dict) -> Response:
        """The events after a sequence number in their order: what a receiver fills a gap with."""
        filters = {key: value for key, value in query.items() if key not in ("limit", "starting_after")}
        after, limit = query["after_sequence"], query["limit"]
        if "starting_after" in query:
            after = read_cursor(query["starting_after"], filters)
        rows = list(events.filter(sequence__gt=after).order_by("sequence")[: limit + 1])
        cursor = issue_cursor(rows[limit - 1].sequence, filters) if len(rows) > limit else None
        return Response(list_envelope(EventWithDeliveriesBody(rows[:limit], many=True).data, cursor))


class EventDetail(ApiView):
    """`/events/{id}`"""

    scopes: ClassVar = {"GET": READ}

    def get(self, request, event_id):
        """Retrieve an event with every attempt."""
        events = Event.objects.of(request.auth).prefetch_related("deliveries")
        return Response(EventWithDeliveriesBody(events.get_or_404(pk=event_id)).data)


class RedeliverEvent(WritingApiView):
    """`/events/{id}/redeliver`"""

    scopes: ClassVar = {"POST": WRITE}

    def post(self, request, event_id):
        """Queue an event again under the same id, once a minute at most."""
        event = Event.objects.of(request.auth).select_related("endpoint").get_or_404(pk=event_id)
        self.validated(serializers.NoBody)
        return Response(EventBody(actions.redeliver(event=event, by=self.actor)).data)
