"""URLs of the webhook API."""

from django.urls import path

from webhooks import api

app_name = "webhooks"

urlpatterns = [
    path("webhooks", api.Endpoints.as_view(), name="endpoints"),
    path("webhooks/<str:endpoint_id>", api.EndpointDetail.as_view(), name="endpoint"),
    path("webhooks/<str:endpoint_id>/rotate-secret", api.RotateSecret.as_view(), name="rotate-secret"),
    path("webhooks/<str:endpoint_id>/events", api.EndpointEvents.as_view(), name="endpoint-events"),
    path("webhooks/<str:endpoint_id>/test", api.TestEndpoint.as_view(), name="test"),
    path("webhooks/<str:endpoint_id>/recover", api.RecoverEndpoint.as_view(), name="recover"),
    path("sandbox/webhooks/<str:endpoint_id>/advance", api.AdvanceEndpoint.as_view(), name="advance"),
    path("events", api.Events.as_view(), name="events"),
    path("events/<str:event_id>", api.EventDetail.as_view(), name="event"),
    path("events/<str:event_id>/redeliver", api.RedeliverEvent.as_view(), name="redeliver"),
]
