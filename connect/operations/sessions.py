"""How long a member of staff stays signed in, and what they must have set up before they see anything."""

import time
from functools import wraps

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from connect.audit.actions import record
from connect.operations.actors import staff_actor

SIGNED_IN_AT, SEEN_AT = "signed_in_at", "seen_at"
# A session is written at most this often for being used.
SEEN_GRAIN_SECONDS = 60
# Pages that ask for themselves, and those without which two-step sign-in could not be set up.
RENEW_THEMSELVES = ("overview", "live")
ALWAYS_OPEN = ("two_step", "logout", "password_change", "password_change_done", "jsi18n")


def begin(session) -> None:
    """From now its time runs."""
    session[SIGNED_IN_AT] = session[SEEN_AT] = time.time()


def within_limits(view):
    """End a session that is too old or was idle for too long, and send who has to set up two-step sign-in there."""

    @wraps(view)
    def limited(request, *args, **kwargs):
        if not request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if reason := _over(request):
            record(action="staff.session_ended", by=staff_actor(request), reason=reason)
            logout(request)
            return _signed_out(request) or view(request, *args, **kwargs)
        if _must_set_up(request):
            return HttpResponseRedirect(reverse("admin:two_step"))
        return view(request, *args, **kwargs)

    return limited


def _over(request) -> str:
    """Why the session is over, or empty; notes that it was used."""
    session, now = request.session, time.time()
    began = session.setdefault(SIGNED_IN_AT, now)
    seen = session.setdefault(SEEN_AT, now)
    if now - began >= settings.SESSION_COOKIE_AGE:
        return "too_old"
    if settings.ADMIN_IDLE_SECONDS and now - seen >= settings.ADMIN_IDLE_SECONDS:
        return "idle"
    if now - seen >= SEEN_GRAIN_SECONDS and not _name_of(request).endswith(RENEW_THEMSELVES):
        session[SEEN_AT] = now
    return ""


def _signed_out(request) -> HttpResponse | None:
    """For a part of a page: have the whole page asked for again, which leads to the sign-in."""
    return HttpResponse(headers={"HX-Refresh": "true"}) if request.headers.get("HX-Request") else None


def _must_set_up(request) -> bool:
    return settings.STAFF_TWO_STEP_REQUIRED and not request.user.is_verified() and _name_of(request) not in ALWAYS_OPEN


def _name_of(request) -> str:
    return request.resolver_match.url_name or "" if request.resolver_match else ""
