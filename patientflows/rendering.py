"""What every hosted page has in common: the flow's language, the policy headers, one way to render."""

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation

from connect.organizations.models import Environment, Organization

OTHER_LANGUAGE = {"en": ("es", "Español"), "es": ("en", "English")}


class SeeOther(HttpResponseRedirect):
    """303: go on with a GET, whatever the method was (RFC 9110 15.4.4)."""

    status_code = 303


def speaking(request, locale: str | None):
    """The language asked for by the app or chosen by the patient, else the browser's."""
    return translation.override(locale or translation.get_language_from_request(request))


def page(
    request, name: str, *, organization: Organization | None = None, status: int = 200, leaves: bool = False,
    environment: str = "", **context,
) -> HttpResponse:  # fmt: skip
    """Render `patientflows/<name>.html`. `leaves`: a form on it ends at another site (a portal, the app), which in the
    sandbox `environment` may be plain http."""
    language = translation.get_language()
    code, label = OTHER_LANGUAGE.get(language, OTHER_LANGUAGE["en"])
    context |= {
        "organization": organization, "page": name, "language": language,
        "other_language": code, "other_language_name": label,
    }  # fmt: skip
    response = render(request, f"patientflows/{name}.html", context, status=status)
    response["Content-Language"] = language
    return restrict(response, leaves=leaves, plain=environment == Environment.SANDBOX)


def restrict(response: HttpResponse, *, leaves: bool = False, plain: bool = False) -> HttpResponse:
    """Tighten the content policy for a hosted page. Browsers check `form-action` along the whole chain of redirects,
    and a portal's login may lead over hosts that nobody knows beforehand: forms that leave may end anywhere."""
    response._csp_replace = {"img-src": ["'self'"], "font-src": None, "manifest-src": None}
    anywhere = ["https:", "http:"] if plain or not settings.HTTPS else ["https:"]
    response._csp_update = {"form-action": ["'self'", *anywhere] if leaves else ["'self'"]}
    return response
