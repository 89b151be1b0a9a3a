"""Key pairs for private_key_jwt and the key set we publish (SMART 2.2 "Client authentication: asymmetric")."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from joserfc.jwk import ECKey, RSAKey

ALGORITHMS = ("RS384", "ES384")
JWKS_MAX_AGE_SECONDS = 3600  # a new key must have been published this long before it signs
PUBLIC_MEMBERS = ("kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A signing key. `private_jwk` is a JSON string, to be sealed at rest."""

    kid: str
    algorithm: str
    private_jwk: str = field(repr=False)

    @property
    def public_jwk(self) -> dict:
        """What may be shown to anybody."""
        return _public(json.loads(self.private_jwk) | {"kid": self.kid, "alg": self.algorithm})

    def signer(self) -> RSAKey | ECKey:
        """The key as joserfc wants it."""
        kind = RSAKey if self.algorithm.startswith("RS") else ECKey
        return kind.import_key(json.loads(self.private_jwk))


def new_key_pair(algorithm: str) -> KeyPair:
    """A fresh RSA 3072 (RS384) or P-384 (ES384) key; its `kid` is its thumbprint (RFC 7638), so no two are alike."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}")
    key = RSAKey.generate_key(3072) if algorithm == "RS384" else ECKey.generate_key("P-384")
    return KeyPair(key.thumbprint(), algorithm, json.dumps(key.as_dict(private=True)))


def public_jwks(keys: Iterable[dict]) -> dict:
    """The key set to publish: public members only; raises ValueError if two keys share a `kid`."""
    published = [_public(key) for key in keys]
    if len({key.get("kid") for key in published}) != len(published):
        raise ValueError("two keys share a kid")
    return {"keys": published}


def _public(jwk: dict) -> dict:
    shown = {name: jwk[name] for name in PUBLIC_MEMBERS if name in jwk and name != "key_ops"}
    return shown | {"use": "sig", "key_ops": ["verify"]}
