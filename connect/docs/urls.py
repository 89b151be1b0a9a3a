"""The documentation that the server itself carries."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from connect.docs import views

app_name = "docs"

urlpatterns = [
    path("openapi.json", SpectacularJSONAPIView.as_view(authentication_classes=[]), name="openapi"),
    path(
        "docs/api/", SpectacularSwaggerSplitView.as_view(url_name="docs:openapi", authentication_classes=[]), name="api"
    ),
    path("docs/errors/", views.error_index, name="errors"),
    path("docs/errors/<slug:code>", views.error_page, name="error"),
]
