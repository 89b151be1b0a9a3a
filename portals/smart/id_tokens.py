"""ID tokens (OpenID Connect Core 3.1.3.7), by which a portal says who signed in."""

import time
from dataclasses import dataclass, field
from urllib.parse import urljoin

from joserfc import jws
from joserfc.errors import JoseError

from portals.smart.discovery import SmartConfiguration
from portals.smart.documents import parse_object
from portals.smart.errors import IdTokenInvalid
from portals.smart.key_sets import key_for

# Signatures by a private key only: "none" proves nothing, HS* would take the public key for a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
CLOCK_SKEW_SECONDS = 120
MAX_AGE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class IdToken:
    """Who signed in. fhir_user: an absolute URL, None if not told; never fetch it with the token unless it is local."""

    subject: str = field(repr=False)
    fhir_user: str | None = field(default=None, repr=False)

    def patient_id(self, fhir_base_url: str) -> str | None:
        """The FHIR id if fhirUser is a Patient on this very server (only for sources set to accept that)."""
        prefix = f"{fhir_base_url.rstrip('/')}/Patient/"
        if not self.fhir_user or not self.fhir_user.startswith(prefix):
            return None
        patient_id = self.fhir_user.removeprefix(prefix)
        return patient_id if patient_id and not set(patient_id) & set("/?#") else None


def validate_id_token(
    token: str, *, configuration: SmartConfiguration, client_id: str, nonce: str | None
) -> IdToken | None:
    """Check signature and claims. None: the portal publishes nothing to check by, so treat the token as absent.

    nonce: the one sent, None if none was. Raises IdTokenInvalid, or PortalUnavailable when its keys cannot be read.
    """
    if not configuration.issuer or not configuration.jwks_uri:
        return None
    claims = _verified(token, configuration.jwks_uri)
    _check_parties(claims, configuration.issuer, client_id)
    _check_times(claims)
    if nonce is not None and claims.get("nonce") != nonce:
        raise IdTokenInvalid("nonce")
    return IdToken(claims["sub"], _fhir_user(claims.get("fhirUser"), configuration.fhir_base_url))


def _verified(token: str, jwks_uri: str) -> dict:
    header = _header(token)
    if header.get("alg") not in ALGORITHMS:
        raise IdTokenInvalid("algorithm")
    try:
        return _claims(token, jwks_uri, header, fresh=False)
    except IdTokenInvalid:
        # Keys rotate: what fails with the keys we know is tried once with those published now.
        return _claims(token, jwks_uri, header, fresh=True)


def _claims(token: str, jwks_uri: str, header: dict, *, fresh: bool) -> dict:
    key = key_for(jwks_uri, algorithm=header["alg"], kid=header.get("kid"), fresh=fresh)
    if key is None:
        raise IdTokenInvalid("key_unknown")
    try:
        payload = jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS)).payload
    except (JoseError, ValueError):
        raise IdTokenInvalid("signature") from None
    claims = parse_object(payload)
    if claims is None:
        raise IdTokenInvalid("not_a_token")
    return claims


def _header(token: str) -> dict:
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, RecursionError):
        raise IdTokenInvalid("not_a_token") from None
    return header


def _check_parties(claims: dict, issuer: str, client_id: str) -> None:
    if claims.get("iss") != issuer:
        raise IdTokenInvalid("issuer", failure_code="issuer_mismatch")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences:
        raise IdTokenInvalid("audience")
    authorized = claims.get("azp", client_id if len(audiences) == 1 else None)
    if authorized != client_id:
        raise IdTokenInvalid("authorized_party")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise IdTokenInvalid("subject")


def _check_times(claims: dict) -> None:
    now = time.time()
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    if expires is None or expires <= now - CLOCK_SKEW_SECONDS:
        raise IdTokenInvalid("expired")
    if issued is None or not now - MAX_AGE_SECONDS <= issued <= now + CLOCK_SKEW_SECONDS:
        raise IdTokenInvalid("issued_at")
    starts = _number(claims.get("nbf", now))
    if starts is None or starts > now + CLOCK_SKEW_SECONDS:
        raise IdTokenInvalid("not_yet_valid")


def _number(value) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _fhir_user(value, fhir_base_url: str) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return urljoin(f"{fhir_base_url.rstrip('/')}/", value)
