"""Friendly pages where Django itself says no."""

from django.views.decorators.cache import never_cache

from patientflows.rendering import page


@never_cache
def csrf_failure(request, reason=""):
    """A form came without the cookie that belongs to it: cookies are blocked, or the page was open for very long."""
    return page(
        request, "form_expired", status=403, again=request.path if request.path.startswith(("/c/", "/my/")) else None
    )
