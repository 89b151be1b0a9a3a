"""The admin site: who may enter, what its pages may load, and the audit of coming and going."""

from functools import partial, wraps

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.contrib.auth import get_user_model
from django.urls import path
from unfold.sites import UnfoldAdminSite

from connect.audit.actions import record
from connect.operations.actors import staff_actor
from connect.operations.overview import dashboard
from connect.operations.sessions import begin, within_limits
from connect.operations.sign_in import SignInForm
from connect.operations.two_step import two_step

# Unfold's pages are built with Alpine, which evaluates expressions, and htmx and Chart.js, which set styles. No inline
# script is allowed even here. Hosted pages keep the strict policy of the settings.
POLICY = {
    "default-src": ["'none'"],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}


def with_policy(view):
    """Send the admin's content policy, and referrers within it (CSRF needs the origin of a form)."""

    @wraps(view)
    def relaxed(*args, **kwargs):
        response = view(*args, **kwargs)
        response._csp_replace = POLICY
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    return relaxed


class OperationsSite(UnfoldAdminSite):
    """`admin.site`."""

    index_title = "Overview"
    login_form = SignInForm
    login_template = "operations/login.html"
    enable_nav_sidebar = True

    def extra_urls(self):
        return [
            path("overview/", self.admin_view(dashboard.fragment), name="overview"),
            path("two-step/", self.admin_view(partial(two_step, site=self)), name="two_step"),
        ]

    def admin_view(self, view, cacheable=False):
        return with_policy(within_limits(super().admin_view(view, cacheable)))

    def login(self, request, extra_context=None):
        response = with_policy(super().login)(request, extra_context)
        if request.method == "POST":
            self._note_sign_in(request, response)
        return response

    def _note_sign_in(self, request, response) -> None:
        """What was typed as a name is noted only if it is one: people type passwords into the wrong field."""
        if request.user.is_authenticated and response.status_code == 302:
            begin(request.session)
            record(action="staff.signed_in", by=staff_actor(request))
        elif not getattr(request, "axes_locked_out", False):
            typed = request.POST.get("username", "")
            known = get_user_model().objects.filter(username=typed).exists()
            record(action="staff.sign_in_refused", by=staff_actor(request, typed if known else "unknown"))

    def logout(self, request, extra_context=None):
        if request.user.is_authenticated:
            record(action="staff.signed_out", by=staff_actor(request))
        return with_policy(super().logout)(request, extra_context)
