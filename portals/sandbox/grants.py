"""Tokens: a code becomes a grant, a refresh token renews it, and misuse ends it (RFC 6749, RFC 9700 §4.14)."""

import base64
import hashlib
import hmac
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from portals.sandbox import keys
from portals.sandbox.addresses import Site
from portals.sandbox.clients import App
from portals.sandbox.models import REFRESH_SECONDS, Authorization, Grant, Token, digest
from portals.sandbox.oauth_errors import OAuthError


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeExchange:
    """What a token request with a code brings."""

    code: str
    redirect_uri: str
    code_verifier: str


def exchange_code(*, site: Site, app: App, asked: CodeExchange) -> dict:
    """The token answer for a code. A code that comes again ends the grant it made (RFC 6749 §4.1.2)."""
    visit = Authorization.objects.filter(code_digest=digest(asked.code), variant=site.variant.slug).first()
    if not visit or visit.client_id != app.client_id:
        raise OAuthError("invalid_grant", "Unknown code.")
    if visit.status == Authorization.Status.EXCHANGED:
        raise _replayed(visit)
    if visit.code_expires_at < timezone.now():
        raise OAuthError("invalid_grant", "The code has expired.")
    if visit.redirect_uri != asked.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri differs from the authorisation request's.")
    if not _verifies(visit.code_challenge, asked.code_verifier):
        raise OAuthError("invalid_grant", "code_verifier does not fit the code_challenge.")
    grant = visit.exchange()
    if not grant:
        raise _replayed(visit)
    return _first_answer(site, app, visit, grant)


def refresh(*, site: Site, app: App, refresh_token: str, scope: str) -> dict:
    """The token answer for a refresh token; `scope`, if any, must be part of what was granted."""
    token = Token.find(refresh_token, site.variant.slug)
    if not token or token.kind != Token.Kind.REFRESH or token.grant.client_id != app.client_id:
        raise OAuthError("invalid_grant", "Unknown refresh token.")
    grant = token.grant
    if token.spent_at:
        grant.revoke()
        raise OAuthError("invalid_grant", "This refresh token was used before: the whole grant has ended.")
    if not token.is_active:
        raise OAuthError("invalid_grant", "The grant has ended.")
    answer = _renewed(site, token, scope=_narrowed(grant.scope, scope), rotates=site.variant.rotates or app.is_public)
    if answer is None:
        grant.revoke()
        raise OAuthError("invalid_grant", "The refresh token was used before, or too often: the grant has ended.")
    return answer


@transaction.atomic
def _renewed(site: Site, token: Token, *, scope: str, rotates: bool) -> dict | None:
    """New tokens and the end of the old ones in one commit; None when another request was first or the limit is met."""
    grant = token.grant
    if rotates and not token.spend():
        return None
    if not grant.count_refresh(site.variant.refresh_limit):
        return None
    if site.variant.rotates:
        grant.end_access_tokens()
    return _answer(site, grant, scope=scope, with_refresh=rotates)


def revoke(*, site: Site, app: App, token: str) -> None:
    """RFC 7009: revoking either token ends the grant; an unknown one is as good as revoked."""
    found = Token.find(token, site.variant.slug)
    if found and found.grant.client_id == app.client_id:
        found.grant.revoke()


def introspect(*, site: Site, app: App, token: str) -> dict:
    """RFC 7662. An app learns of its own tokens only; anything else is `active: false`."""
    found = Token.find(token, site.variant.slug)
    if not found or found.grant.client_id != app.client_id or not found.is_active:
        return {"active": False}
    return {
        "active": True,
        "scope": found.scope,
        "client_id": found.grant.client_id,
        "token_type": "Bearer" if found.kind == Token.Kind.ACCESS else "refresh_token",
        "exp": int(found.expires_at.timestamp()),
        "iat": int(found.issued_at.timestamp()),
        "iss": site.issuer,
        "sub": _subject(found.grant),
        "patient": found.grant.patient,
    }


def _replayed(visit: Authorization) -> OAuthError:
    visit.refresh_from_db()
    if visit.grant:
        visit.grant.revoke()
    return OAuthError("invalid_grant", "The code was used before: the whole grant has ended.")


def _verifies(challenge: str, verifier: str) -> bool:
    """RFC 7636 §4.6. A visit without a challenge (legacy portal only) needs no verifier."""
    if not challenge:
        return True
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(hashed, challenge.encode())


def _first_answer(site: Site, app: App, visit: Authorization, grant: Grant) -> dict:
    granted = set(grant.scope.split())
    offline = bool(granted & {"offline_access", "online_access"})
    answer = _answer(site, grant, scope=grant.scope, with_refresh=offline and site.variant.issues_refresh)
    if "openid" in granted:
        answer["id_token"] = keys.id_token(
            issuer=site.issuer,
            audience=app.client_id,
            subject=_subject(grant),
            fhir_user=f"{site.fhir}/Patient/{grant.patient}",
            nonce=visit.nonce,
            algorithm=app.id_token_alg,
        )
    return answer


def _answer(site: Site, grant: Grant, *, scope: str, with_refresh: bool) -> dict:
    variant = site.variant
    seconds = variant.access_seconds
    answer = {
        "access_token": Token.issue(grant, Token.Kind.ACCESS, scope=scope, seconds=seconds),
        "token_type": "Bearer",
        "expires_in": seconds,
        "scope": _shown(scope, variant.hides_offline_scope),
    }
    if with_refresh:
        issued = Token.issue(grant, Token.Kind.REFRESH, scope=grant.scope, seconds=REFRESH_SECONDS)
        answer["refresh_token"] = issued
    if "launch/patient" in grant.scope.split() and not variant.omits_patient:
        answer["patient"] = grant.patient
        answer["need_patient_banner"] = True
    return answer


def _shown(scope: str, hides_offline: bool) -> str:
    return " ".join(each for each in scope.split() if not (hides_offline and each == "offline_access"))


def _narrowed(granted: str, asked: str) -> str:
    if not asked:
        return granted
    if not set(asked.split()) <= set(granted.split()):
        raise OAuthError("invalid_scope", "A refresh cannot ask for more than was granted.")
    return asked


def _subject(grant: Grant) -> str:
    return digest(f"{grant.variant}\n{grant.username}")[:32]
