"""Friendly pages where Django itself says no."""

from django.http import HttpResponse
from django.views.decorators.cache import never_cache

from patientflows.rendering import page

HOSTED = ("/c/", "/my/", "/oauth/callback/")


def is_hosted(path: str) -> bool:
    """Whether a person looks at what this path answers: they get a page, and API clients the API's error form."""
    return path.startswith(HOSTED)


@never_cache
def csrf_failure(request, reason=""):
    """A form came without the cookie that belongs to it: cookies are blocked, or the page was open for very long."""
    return page(request, "form_expired", status=403, again=request.path if is_hosted(request.path) else None)


@never_cache
def not_found(request) -> HttpResponse:
    """A path below a link that was never there, most often copied by half."""
    return page(request, "unknown", status=404)


@never_cache
def server_error(request) -> HttpResponse:
    """A fault of ours. Needs no database: that may be what is down."""
    return page(request, "error", status=500, again=request.path if request.method == "GET" else None)
