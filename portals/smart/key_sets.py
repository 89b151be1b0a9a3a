"""Portals' published keys (RFC 7517), kept in Django's cache so that all workers share one reading."""

import hashlib
import time

from django.core.cache import cache
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from portals.smart.documents import fetch_object
from portals.smart.errors import PortalUnavailable

KEPT_SECONDS = 3600
REREAD_SECONDS = 60  # a forged `kid` must not make us hammer the portal
KEY_TYPES = {"R": "RSA", "P": "RSA", "E": "EC"}
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
IMPORTERS: dict[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}


def key_for(jwks_uri: str, *, algorithm: str, kid: str | None, fresh: bool = False) -> RSAKey | ECKey | None:
    """The one key that can have signed: by `kid`, or without one the only key that fits; None if that is unclear.

    fresh: read the set again, unless it was read within the last minute. Raises PortalUnavailable.
    """
    fitting = [jwk for jwk in _keys(jwks_uri, fresh) if _fits(jwk, algorithm) and (not kid or jwk.get("kid") == kid)]
    if len(fitting) != 1:
        return None
    try:
        return IMPORTERS[fitting[0]["kty"]].import_key(fitting[0])
    except (JoseError, ValueError, TypeError):
        return None


def _keys(jwks_uri: str, fresh: bool) -> list[dict]:
    name = "smart-jwks-" + hashlib.sha256(jwks_uri.encode()).hexdigest()
    known = cache.get(name)
    if known and not (fresh and time.time() - known["read_at"] > REREAD_SECONDS):
        return known["keys"]
    document = fetch_object(jwks_uri, accept="application/jwk-set+json, application/json")
    keys = document.get("keys") if document else None
    if not isinstance(keys, list):
        raise PortalUnavailable("no_key_set")
    keys = [jwk for jwk in keys if isinstance(jwk, dict)]
    cache.set(name, {"keys": keys, "read_at": time.time()}, KEPT_SECONDS)
    return keys


def _fits(jwk: dict, algorithm: str) -> bool:
    return (
        jwk.get("kty") == KEY_TYPES[algorithm[0]]
        and jwk.get("crv") == CURVES.get(algorithm)
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", algorithm) == algorithm
    )
