"""URLs of the catalogue, the sandbox's clock and our key set."""

from django.urls import path

from portals import api

app_name = "portals"

urlpatterns = [
    path("connections", api.Sources.as_view(), name="sources"),
    path("connections/<path:named>", api.SourceDetail.as_view(), name="source"),
    path("sandbox/connections/<str:conn_id>/advance", api.AdvanceConnection.as_view(), name="advance"),
    path(".well-known/jwks.json", api.key_set, name="jwks"),
]
