"""Every URL. The API has no prefix (contract 1); what is unknown answers in the API's error form."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from connect.error_answers import json_response
from connect.errors import BadRequest, InternalError, ResourceNotFound
from patientflows import failure_pages

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("connect.operations.urls")),
    path("", include("connect.docs.urls")),
    path("", include("webhooks.urls")),
    path("", include("portals.urls")),
    path("", include("pulls.urls")),
    path("", include("patientflows.urls")),
]
if settings.SANDBOX_ENABLED:
    urlpatterns.append(path("sandbox/", include("portals.sandbox.urls")))
if settings.EXAMPLE_ENABLED:
    urlpatterns.append(path("example/", include("connect.example.urls")))


def not_found(request, exception):
    """404 in the API's form, for every path that nothing answers; people get a page."""
    if failure_pages.is_hosted(request.path):
        return failure_pages.not_found(request)
    return json_response(ResourceNotFound("No such path"), request)


def bad_request(request, exception):
    return json_response(BadRequest("The request could not be understood"), request)


def server_error(request):
    if failure_pages.is_hosted(request.path):
        return failure_pages.server_error(request)
    return json_response(InternalError(), request)


handler400, handler404, handler500 = bad_request, not_found, server_error
