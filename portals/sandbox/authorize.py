"""The authorisation request: checked, kept as a row, and answered with a redirect (RFC 6749 §4.1, SMART 2.2).

A request whose client or redirect URI is wrong is shown to the patient and goes nowhere (`Refused`). Every other fault
goes back to the app (`SentBack`).
"""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.http import QueryDict

from portals.sandbox import clients, scopes
from portals.sandbox.addresses import Site
from portals.sandbox.models import Authorization

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
ONCE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "aud",
    "code_challenge",
    "code_challenge_method",
)


class Refused(Exception):
    """The request cannot be trusted enough to send anybody anywhere; the text is for the person who sees it."""


class SentBack(Exception):
    """`url` takes the patient back to the app with an OAuth error."""

    def __init__(self, url: str):
        super().__init__("sent back")
        self.url = url


def begin(*, site: Site, asked: QueryDict) -> Authorization:
    """Check an authorisation request and keep it. Raises Refused or SentBack."""
    app = clients.find(asked.get("client_id", ""))
    if not app:
        raise Refused("This portal does not know the app that sent you here (client_id).")
    redirect_uri = asked.get("redirect_uri", "")
    if not app.may_return_to(redirect_uri, site.host):
        raise Refused("The app asked to send you back to an address it has not registered (redirect_uri).")
    fault = _fault(site, asked)
    if fault:
        raise SentBack(back(site, redirect_uri, asked.get("state", ""), error=fault[0], error_description=fault[1]))
    granted = scopes.grantable(asked["scope"], legacy=site.variant.legacy)
    return Authorization.request(
        variant=site.variant.slug,
        client_id=app.client_id,
        redirect_uri=redirect_uri,
        scope=" ".join(granted),
        state=asked.get("state", ""),
        nonce=asked.get("nonce", ""),
        code_challenge=asked.get("code_challenge", ""),
    )


def allow(*, site: Site, visit: Authorization, patient: str, scope: str) -> str | None:
    """The way back with a code, or with the error this variant always gives; None when it was answered before."""
    error = site.variant.callback_error
    if error:
        return deny(site=site, visit=visit, error=error)
    code = visit.allow(patient=patient, scope=scope)
    return back(site, visit.redirect_uri, visit.state, code=code) if code else None


def deny(*, site: Site, visit: Authorization, error: str = "access_denied") -> str | None:
    """The way back without access; None when it was answered before."""
    return back(site, visit.redirect_uri, visit.state, error=error) if visit.deny() else None


def back(site: Site, redirect_uri: str, state: str, **answer: str) -> str:
    """The redirect URI with the answer added to its own query, and `iss` where this portal sends it (RFC 9207)."""
    if state:
        answer["state"] = state
    if site.variant.sends_iss:
        answer["iss"] = "https://another-portal.example/fhir" if site.variant.wrong_iss else site.issuer
    parts = urlsplit(redirect_uri)
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True) + list(answer.items()))
    return urlunsplit(parts._replace(query=query))


def _fault(site: Site, asked: QueryDict) -> tuple[str, str] | None:
    variant = site.variant
    if any(len(asked.getlist(name)) > 1 for name in ONCE):
        return "invalid_request", "A parameter came twice."
    if asked.get("response_type") != "code":
        return "unsupported_response_type", "response_type must be code."
    if asked.get("aud", "").rstrip("/") != site.fhir:
        return "invalid_request", f"aud must be {site.fhir}."
    if not asked.get("state"):
        return "invalid_request", "state is missing."
    if not _has_pkce(asked, optional=variant.legacy):
        return "invalid_request", "PKCE with S256 is required."
    if not scopes.grantable(asked.get("scope", ""), legacy=variant.legacy):
        return "invalid_scope", "Nothing in scope can be granted."
    return None


def _has_pkce(asked: QueryDict, *, optional: bool) -> bool:
    challenge = asked.get("code_challenge", "")
    if optional and not challenge:
        return True
    return asked.get("code_challenge_method") == "S256" and CHALLENGE.fullmatch(challenge) is not None
