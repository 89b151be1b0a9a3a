"""The back-channel endpoints: token, revoke, introspect, register, keys. Each view translates and makes one call."""

import json
from functools import wraps

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from portals.sandbox import faults, grants, keys, registration
from portals.sandbox.addresses import Site
from portals.sandbox.client_authentication import authenticate
from portals.sandbox.clients import App
from portals.sandbox.oauth_errors import NO_STORE, OAuthError
from portals.sandbox.variants import Variant


def endpoint(view):
    """A POST endpoint of the authorisation server: its variant's delays and outages, and errors as OAuth says them."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def answer(request: HttpRequest, variant: Variant) -> HttpResponse:
        faults.delay(variant)
        seconds = faults.seconds_down(variant)
        if seconds:
            return faults.down_page(seconds)
        try:
            return view(request, Site.of(request, variant))
        except OAuthError as error:
            return error.response()

    return answer


@endpoint
def token(request: HttpRequest, site: Site) -> HttpResponse:
    """RFC 6749 §3.2: a code or a refresh token against tokens."""
    if site.variant.token_endpoint_fails:
        raise OAuthError("server_error", "This portal's token endpoint always fails.", status=500)
    app = authenticate(request, site)
    return JsonResponse(_tokens(request, site, app), headers=NO_STORE)


@endpoint
def revoke(request: HttpRequest, site: Site) -> HttpResponse:
    """RFC 7009."""
    app = authenticate(request, site)
    grants.revoke(site=site, app=app, token=_given(request, "token"))
    return HttpResponse(status=200)


@endpoint
def introspect(request: HttpRequest, site: Site) -> HttpResponse:
    """RFC 7662."""
    app = authenticate(request, site)
    return JsonResponse(grants.introspect(site=site, app=app, token=_given(request, "token")), headers=NO_STORE)


@endpoint
def register(request: HttpRequest, site: Site) -> HttpResponse:
    """RFC 7591."""
    try:
        metadata = json.loads(request.body)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise OAuthError("invalid_client_metadata", "The body must be a JSON object.")
    return JsonResponse(registration.register(site=site, metadata=metadata), status=201, headers=NO_STORE)


@require_GET
def jwks(request: HttpRequest, variant: Variant) -> HttpResponse:
    """The keys ID tokens are signed with."""
    return JsonResponse(keys.public_keys(), headers={"Cache-Control": "max-age=300"})


def _tokens(request: HttpRequest, site: Site, app: App) -> dict:
    kind = _given(request, "grant_type")
    if kind == "authorization_code":
        asked = grants.CodeExchange(
            code=_given(request, "code"),
            redirect_uri=_given(request, "redirect_uri"),
            code_verifier=request.POST.get("code_verifier", ""),
        )
        return grants.exchange_code(site=site, app=app, asked=asked)
    if kind == "refresh_token":
        scope = request.POST.get("scope", "")
        return grants.refresh(site=site, app=app, refresh_token=_given(request, "refresh_token"), scope=scope)
    raise OAuthError("unsupported_grant_type", "authorization_code or refresh_token.")


def _given(request: HttpRequest, name: str) -> str:
    value = request.POST.get(name, "")
    if not value:
        raise OAuthError("invalid_request", f"{name} is missing.")
    return value
