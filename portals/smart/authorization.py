"""The way to the portal's login and back (SMART 2.2 standalone launch, RFC 6749 4.1, RFC 7636, RFC 9207)."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import CallbackError

MAX_QUERY_LENGTH = 16 * 1024
ONE_EACH = ("code", "state", "iss", "error")
FAILURE_CODES = {
    "access_denied": "user_denied",
    "invalid_scope": "invalid_scope",
    "invalid_request": "portal_misconfigured",
    "unauthorized_client": "portal_misconfigured",
    "unsupported_response_type": "portal_misconfigured",
    "server_error": "portal_unavailable",
    "temporarily_unavailable": "portal_unavailable",
    "login_required": "oauth_callback_failed",
    "consent_required": "oauth_callback_failed",
    "interaction_required": "oauth_callback_failed",
}


def new_state() -> str:
    """128 random bits. Keep its hash, use it once."""
    return secrets.token_urlsafe(16)


def new_nonce() -> str:
    """128 random bits for the ID token."""
    return secrets.token_urlsafe(16)


def new_verifier() -> str:
    """A PKCE verifier: 64 unreserved characters, 384 bits (RFC 7636 4.1). New for each attempt; keep it sealed."""
    return secrets.token_urlsafe(48)


def code_challenge(verifier: str) -> str:
    """base64url(SHA-256(verifier)) without padding (RFC 7636 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_request(
    configuration: SmartConfiguration,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    verifier: str,
    nonce: str | None = None,
    extra: dict[str, str] | None = None,
) -> str:
    """The URL that takes the patient's browser to the portal. `nonce` is sent only when openid is asked for.

    extra: what this portal wants besides (`prompt=consent` for a refresh token, OpenID Connect Core 11); never in place
    of ours.
    """
    ours = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "aud": configuration.fhir_base_url,
        "code_challenge": code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    if nonce and "openid" in scope.split():
        ours["nonce"] = nonce
    return with_parameters(configuration.authorization_endpoint or "", (extra or {}) | ours)


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """`url` with `parameters` added; its own query stays (RFC 6749 3.1), save what we set ourselves."""
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in parameters]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()]), fragment=""))


@dataclass(frozen=True, slots=True)
class CallbackOutcome:
    """A code to exchange."""

    code: str = field(repr=False)
    state: str = field(repr=False)


def callback_state(query_string: str) -> str | None:
    """The one `state` of a callback, by which its attempt is found; None if there is none, or more than one."""
    try:
        return _single_values(query_string).get("state") or None
    except CallbackError:
        return None


def parse_callback(query_string: str, *, expected_issuer: str | None, iss_required: bool) -> CallbackOutcome:
    """Judge what the browser brought back; the caller has already found the attempt by `callback_state`.

    expected_issuer: the pinned issuer, None if the portal published none. iss_required: it promised to send `iss`.
    Raises CallbackError with the contract's failure_code (`user_denied`, `issuer_mismatch`, …).
    """
    values = _single_values(query_string)
    _check_issuer(values.get("iss"), expected_issuer, iss_required)
    if "error" in values:
        if "code" in values:
            raise CallbackError("code_and_error")
        raise _error(values["error"])
    if not values.get("code") or not values.get("state"):
        raise CallbackError("no_code")
    return CallbackOutcome(values["code"], values["state"])


def _single_values(query_string: str) -> dict[str, str]:
    if len(query_string) > MAX_QUERY_LENGTH:
        raise CallbackError("too_long")
    pairs = parse_qsl(query_string, keep_blank_values=True)
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in ONE_EACH):
        raise CallbackError("duplicate_parameter")
    return {name: value for name, value in pairs if name in ONE_EACH}


def _check_issuer(issuer: str | None, expected: str | None, required: bool) -> None:
    """RFC 9207 2.4: simple string comparison; applies to error answers too."""
    if issuer is None and required:
        raise CallbackError("issuer_missing", failure_code="issuer_mismatch")
    if issuer is not None and expected is not None and issuer != expected:
        raise CallbackError("issuer_mismatch", failure_code="issuer_mismatch")


def _error(code: str) -> CallbackError:
    """Only the code, and only if it is a known one: error_description is anybody's text."""
    return CallbackError(code if code in FAILURE_CODES else "unknown_error", failure_code=FAILURE_CODES.get(code))
