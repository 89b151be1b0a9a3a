"""The documentation that the server itself carries."""

from django.urls import path
from django.views.generic import RedirectView

from connect.docs import views
from connect.docs.site_pages import site_page

app_name = "docs"

urlpatterns = [
    path("openapi.json", views.OpenApiFile.as_view(), name="openapi"),
    path("docs/api/", views.Reference.as_view(url_name="docs:openapi"), name="api"),
    path("docs/errors/", views.error_index, name="errors"),
    path("docs/errors/<slug:code>", views.error_page, name="error"),
    path("docs", RedirectView.as_view(pattern_name="docs:site")),
    path("docs/", site_page, name="site"),
    path("docs/<path:path>", site_page),
]
