"""How we prove who we are at a token endpoint (RFC 6749 2.3, RFC 7523, SMART 2.2 "Client authentication")."""

import time
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from joserfc import jwt

from portals.smart.keys import KeyPair

METHODS = ("public", "client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# SMART allows five minutes by the portal's clock: three leave room for ours being two ahead.
ASSERTION_LIFETIME_SECONDS = 180


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """One registration of ours. secret: for the client_secret_* methods; signing_key: for private_key_jwt."""

    client_id: str
    method: str = "public"
    secret: str | None = field(default=None, repr=False)
    signing_key: KeyPair | None = field(default=None, repr=False)

    def __post_init__(self):
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}")
        if self.method.startswith("client_secret") and not self.secret:
            raise ValueError(f"{self.method} needs a secret")
        if self.method == "private_key_jwt" and not self.signing_key:
            raise ValueError("private_key_jwt needs a signing key")


@dataclass(frozen=True, slots=True)
class ClientAuthentication:
    """What one request carries to authenticate us: headers, and fields of its form."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    fields: dict[str, str] = field(default_factory=dict, repr=False)


def authenticate(credentials: ClientCredentials, *, token_endpoint: str) -> ClientAuthentication:
    """Authentication for ONE request: an assertion holds a `jti` that must not be seen twice."""
    client_id, secret = credentials.client_id, credentials.secret or ""
    match credentials.method:
        case "client_secret_basic":
            return ClientAuthentication(headers={"Authorization": basic(client_id, secret)})
        case "client_secret_post":
            return ClientAuthentication(fields={"client_id": client_id, "client_secret": secret})
        case "private_key_jwt":
            assertion = client_assertion(credentials, token_endpoint=token_endpoint)
            return ClientAuthentication(fields={"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion})
    return ClientAuthentication(fields={"client_id": client_id})


def basic(client_id: str, secret: str) -> str:
    """HTTP Basic with id and secret form-encoded first, or a ":" in the id would move the border (RFC 6749 2.3.1)."""
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def client_assertion(credentials: ClientCredentials, *, token_endpoint: str) -> str:
    """A signed JWT for one request (SMART 2.2, RFC 7523 3). No `iat` or `nbf`: they only fail when clocks differ."""
    key = credentials.signing_key
    if key is None:
        raise ValueError("private_key_jwt needs a signing key")
    claims = {
        "iss": credentials.client_id,
        "sub": credentials.client_id,
        "aud": token_endpoint,
        "exp": int(time.time()) + ASSERTION_LIFETIME_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, claims, key.signer(), algorithms=[key.algorithm])
