"""The portal's own keys, and the ID tokens signed with them (OpenID Connect Core §2)."""

from datetime import timedelta
from functools import cache

from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from portals.sandbox.models import SigningKey

ALGORITHMS = ("RS256", "ES384")
ID_TOKEN_SECONDS = 300


def public_keys() -> dict:
    """The JWK set clients check ID tokens with."""
    keys = [_key(algorithm).as_dict(private=False) for algorithm in ALGORITHMS]
    return {"keys": keys}


def id_token(*, issuer: str, audience: str, subject: str, fhir_user: str, nonce: str, algorithm: str) -> str:
    """A signed ID token. `fhir_user` is the absolute URL of the user's resource; `nonce` may be empty."""
    now = timezone.now()
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=ID_TOKEN_SECONDS)).timestamp()),
        "fhirUser": fhir_user,
        "profile": fhir_user,
    }
    if nonce:
        claims["nonce"] = nonce
    key = _key(algorithm)
    return jwt.encode({"alg": algorithm, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[algorithm])


def key_set(keys: dict) -> KeySet:
    """A JWK set as received. Raises ValueError or a JoseError when it is not one."""
    return KeySet.import_key_set(keys)


def _key(algorithm: str) -> RSAKey | ECKey:
    row = SigningKey.objects.filter(algorithm=algorithm).first()
    if row is None:
        row, _ = SigningKey.objects.get_or_create(algorithm=algorithm, defaults={"pem": _new_pem(algorithm)})
    kind = RSAKey if algorithm.startswith("RS") else ECKey
    key_id = kind.import_key(row.pem).thumbprint()
    return kind.import_key(row.pem, {"kid": key_id, "alg": algorithm, "use": "sig"})


@cache
def _new_pem(algorithm: str) -> str:
    """Made at most once a process: two requests may both find no key yet, and one of them keeps its own."""
    made = RSAKey.generate_key(2048) if algorithm.startswith("RS") else ECKey.generate_key("P-384")
    return made.as_pem(private=True).decode()
