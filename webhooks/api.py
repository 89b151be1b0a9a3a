"""The webhook API (contract 6): each method translates and makes one call."""

from typing import ClassVar

from rest_framework.response import Response

from connect.errors import ResourceConflict, ResourceNotFound
from connect.openapi import operation, page_of
from connect.organizations.models import Environment
from connect.organizations.views import ApiView, NoBody, WritingApiView
from connect.pagination import issue_cursor, list_envelope, read_cursor
from webhooks import actions, serializers
from webhooks.models import Endpoint, Event
from webhooks.serializers import EndpointBody, EndpointWithSecretBody, EventBody, EventWithDeliveriesBody

READ, WRITE = "webhooks:read", "webhooks:write"


class EndpointView(WritingApiView):
    """What the views of one endpoint share."""

    tag = "Webhooks"
    scopes: ClassVar = {"GET": READ, "POST": WRITE, "PATCH": WRITE, "DELETE": WRITE}

    def endpoint(self, endpoint_id: str) -> Endpoint:
        return Endpoint.objects.of(self.request.auth).get_or_404(pk=endpoint_id)


class Endpoints(EndpointView):
    """`/webhooks`"""

    @operation("list_webhooks", query=serializers.EndpointQuery, answers=page_of(EndpointBody, "WebhookEndpointList"))
    def get(self, request):
        """List webhook endpoints, newest first."""
        query = self.query(serializers.EndpointQuery)
        endpoints = Endpoint.objects.of(request.auth)
        if "status" in query:
            endpoints = endpoints.filter(status=query["status"])
        return self.page(endpoints, EndpointBody, query=query)

    @operation("create_webhook", body=serializers.NewEndpoint, answers=EndpointWithSecretBody)
    def post(self, request):
        """Create a webhook endpoint.

        Its signing secret is in this answer and in no other.
        """
        body = self.validated(serializers.NewEndpoint)
        endpoint = actions.create_endpoint(tenant=request.auth, api_version=self.version, by=self.actor, **body)
        return Response(EndpointWithSecretBody(endpoint).data)


class EndpointDetail(EndpointView):
    """`/webhooks/{id}`"""

    @operation("get_webhook", answers=EndpointBody)
    def get(self, request, endpoint_id):
        """Retrieve a webhook endpoint, without its secret."""
        return Response(EndpointBody(self.endpoint(endpoint_id)).data)

    @operation("update_webhook", body=serializers.EndpointChanges, answers=EndpointBody, errors=[ResourceConflict])
    def patch(self, request, endpoint_id):
        """Change a webhook endpoint.

        What is omitted stays. Disabling holds what is pending; enabling sends nothing old by itself.
        """
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.EndpointChanges)
        actions.update_endpoint(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointBody(endpoint).data)

    @operation("delete_webhook", answers=serializers.DeletedEndpointBody)
    def delete(self, request, endpoint_id):
        """Delete a webhook endpoint with its history."""
        endpoint = self.endpoint(endpoint_id)
        actions.delete_endpoint(endpoint=endpoint, by=self.actor)
        return Response(serializers.DeletedEndpointBody({"id": endpoint_id}).data)


class RotateSecret(EndpointView):
    """`/webhooks/{id}/rotate-secret`"""

    @operation("rotate_webhook_secret", body=serializers.Rotation, answers=EndpointWithSecretBody)
    def post(self, request, endpoint_id):
        """Give a webhook endpoint a new secret.

        With `overlap_seconds` both secrets sign meanwhile, so that you can deploy the new one without losing an event.
        """
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Rotation)
        actions.rotate_secret(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointWithSecretBody(endpoint).data)


class EndpointEvents(EndpointView):
    """`/webhooks/{id}/events`"""

    @operation(
        "list_events_of_webhook", query=serializers.EndpointEventQuery, answers=page_of(EventBody, "WebhookEventList")
    )
    def get(self, request, endpoint_id):
        """List a webhook endpoint's events, newest first."""
        endpoint = self.endpoint(endpoint_id)
        query = self.query(serializers.EndpointEventQuery)
        events = endpoint.event_rows.filter(**serializers.delivered_filter(query))
        return self.page(events, EventBody, query=query | {"webhook_id": endpoint_id})


class TestEndpoint(EndpointView):
    """`/webhooks/{id}/test`"""

    @operation("test_webhook", answers=EventBody)
    def post(self, request, endpoint_id):
        """Send a test event.

        A signed `webhook_endpoint.test`, whatever types the endpoint listens to. 409 while it is disabled.
        """
        endpoint = self.endpoint(endpoint_id)
        self.validated(NoBody)
        return Response(EventBody(actions.send_test_event(endpoint=endpoint, by=self.actor)).data)


class RecoverEndpoint(EndpointView):
    """`/webhooks/{id}/recover`"""

    @operation("recover_webhook", body=serializers.Recovery, answers=serializers.RecoveryBody)
    def post(self, request, endpoint_id):
        """Send what was missed.

        Queues every event since a time that has not been delivered, held and given-up ones included. 409 while the
        endpoint is disabled.
        """
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Recovery)
        queued = actions.recover(endpoint=endpoint, by=self.actor, **body)
        return Response(serializers.RecoveryBody({"id": endpoint_id, "queued": queued, **body}).data)


class AdvanceEndpoint(EndpointView):
    """`/sandbox/webhooks/{id}/advance`"""

    tag = "Sandbox"

    @operation("advance_webhook", body=serializers.Advance, answers=EndpointBody)
    def post(self, request, endpoint_id):
        """Live through a webhook endpoint's retry schedule.

        Lets time pass for its pending events: every attempt that falls into it is made now. Sandbox keys only.
        """
        if request.auth.environment != Environment.SANDBOX:
            raise ResourceNotFound()
        endpoint = self.endpoint(endpoint_id)
        body = self.validated(serializers.Advance)
        actions.advance(endpoint=endpoint, by=self.actor, **body)
        return Response(EndpointBody(endpoint).data)


class Events(ApiView):
    """`/events`"""

    tag = "Events"
    scopes: ClassVar = {"GET": READ}

    @operation(
        "list_events", query=serializers.EventQuery, errors=[ResourceNotFound],
        answers=page_of(EventWithDeliveriesBody, "WebhookEventWithAttemptsList"),
    )  # fmt: skip
    def get(self, request):
        """List events with their attempts.

        Newest first; with `after_sequence`, oldest first: what a receiver fills a gap with.
        """
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

    tag = "Events"
    scopes: ClassVar = {"GET": READ}

    @operation("get_event", answers=EventWithDeliveriesBody)
    def get(self, request, event_id):
        """Retrieve an event with every attempt."""
        events = Event.objects.of(request.auth).prefetch_related("deliveries")
        return Response(EventWithDeliveriesBody(events.get_or_404(pk=event_id)).data)


class RedeliverEvent(WritingApiView):
    """`/events/{id}/redeliver`"""

    tag = "Events"
    scopes: ClassVar = {"POST": WRITE}

    @operation("redeliver_event", answers=EventBody)
    def post(self, request, event_id):
        """Send an event again.

        Under the same id, whatever became of it; once a minute an event, else 429 with `Retry-After`.
        """
        event = Event.objects.of(request.auth).select_related("endpoint").get_or_404(pk=event_id)
        self.validated(NoBody)
        return Response(EventBody(actions.redeliver(event=event, by=self.actor)).data)
