"""Who is calling a back-channel endpoint: secret by Basic or body, a signed assertion, or a public app's id.

RFC 6749 §2.3, RFC 7523 §3 and SMART App Launch 2.2 "client authentication: asymmetric".
"""

import base64
import binascii
import json
import threading
import time
from urllib.parse import unquote_plus

import requests
from django.http import HttpRequest
from django.utils import timezone
from joserfc import jwt
from joserfc.errors import JoseError

from portals.sandbox import clients
from portals.sandbox.addresses import Site
from portals.sandbox.clients import App
from portals.sandbox.keys import key_set
from portals.sandbox.models import UsedAssertion
from portals.sandbox.oauth_errors import InvalidClient

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ["RS384", "ES384"]
ASSERTION_SECONDS = 300
CLOCK_SKEW_SECONDS = 10
KEYS_CACHE_SECONDS = 60
KEYS_TIMEOUT_SECONDS = 5


def authenticate(request: HttpRequest, site: Site) -> App:
    """The app a request proves to come from. Raises InvalidClient, saying what was wrong."""
    app, method = _presented(request, site)
    if method not in site.variant.auth_methods:
        raise InvalidClient(f"This portal does not take {method}.")
    if method not in app.auth_methods:
        raise InvalidClient(f"{app.client_id} is not registered for {method}.")
    return app


def _presented(request: HttpRequest, site: Site) -> tuple[App, str]:
    header = request.headers.get("Authorization", "")
    if header[:6].lower() == "basic ":
        if "client_assertion" in request.POST or "client_secret" in request.POST:
            raise InvalidClient("More than one way of client authentication.")
        return _by_secret(*_basic(header[6:])), "client_secret_basic"
    if "client_assertion" in request.POST:
        return _by_assertion(request, site), "private_key_jwt"
    client_id = request.POST.get("client_id", "")
    if "client_secret" in request.POST:
        return _by_secret(client_id, request.POST["client_secret"]), "client_secret_post"
    return _known(client_id), "none"


def _known(client_id: str) -> App:
    app = clients.find(client_id)
    if not app:
        raise InvalidClient("Unknown client.")
    return app


def _by_secret(client_id: str, secret: str) -> App:
    app = _known(client_id)
    if not app.has_secret(secret):
        raise InvalidClient("Wrong client secret.")
    return app


def _basic(credentials: str) -> tuple[str, str]:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    try:
        client_id, colon, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidClient("The Basic header cannot be read.") from None
    if not colon:
        raise InvalidClient("The Basic header cannot be read.")
    return unquote_plus(client_id), unquote_plus(secret)


def _by_assertion(request: HttpRequest, site: Site) -> App:
    assertion = request.POST["client_assertion"]
    if request.POST.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(f"client_assertion_type must be {ASSERTION_TYPE}.")
    header, unproven = _peek(assertion)
    app = _known(str(unproven.get("sub", "")))
    keys = _keys_of(app, site, str(header.get("kid", "")))
    try:
        claims = jwt.decode(assertion, key_set(keys), algorithms=ASSERTION_ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise InvalidClient(f"The assertion's signature does not verify ({type(error).__name__}).") from None
    _check_claims(claims, app, site)
    return app


def _peek(assertion: str) -> tuple[dict, dict]:
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in assertion.split(".")[:2])
        return dict(header), dict(claims)
    except (ValueError, TypeError):
        raise InvalidClient("The assertion is not a JWT.") from None


def _check_claims(claims: dict, app: App, site: Site) -> None:
    now = timezone.now().timestamp()
    audience = claims.get("aud")
    expires = claims.get("exp")
    if claims.get("iss") != app.client_id:
        raise InvalidClient("iss and sub must both be the client id.")
    if site.url("token") not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidClient("aud must be the token endpoint.")
    if not isinstance(expires, (int, float)) or expires < now - CLOCK_SKEW_SECONDS:
        raise InvalidClient("The assertion has expired.")
    if expires > now + ASSERTION_SECONDS + CLOCK_SKEW_SECONDS:
        raise InvalidClient("exp must be at most 5 minutes ahead.")
    jti = claims.get("jti")
    if not jti or not isinstance(jti, str):
        raise InvalidClient("jti is missing.")
    if not UsedAssertion.take(app.client_id, jti, ASSERTION_SECONDS + 2 * CLOCK_SKEW_SECONDS):
        raise InvalidClient("This jti was used before.")


_fetched: dict[str, tuple[float, dict]] = {}
_fetched_lock = threading.Lock()


def _keys_of(app: App, site: Site, key_id: str) -> dict:
    """The app's JWK set: as registered, or from its address, which is asked again for a key not seen before."""
    if app.jwks:
        return app.jwks
    if not app.jwks_uri:
        raise InvalidClient(f"{app.client_id} has no keys registered.")
    url = site.at_host(app.jwks_uri)
    with _fetched_lock:
        fetched_at, keys = _fetched.get(url, (0.0, {}))
    fresh = time.monotonic() - fetched_at < KEYS_CACHE_SECONDS
    if not fresh or key_id not in {key.get("kid") for key in keys.get("keys", ())}:
        keys = _fetch(url)
        with _fetched_lock:
            _fetched[url] = (time.monotonic(), keys)
    return keys


def _fetch(url: str) -> dict:
    try:
        answer = requests.get(url, timeout=KEYS_TIMEOUT_SECONDS, allow_redirects=False)
        answer.raise_for_status()
        return dict(answer.json())
    except (requests.RequestException, ValueError, TypeError):
        raise InvalidClient("The app's JWK set cannot be fetched.") from None
