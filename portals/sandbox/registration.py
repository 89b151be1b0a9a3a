"""Dynamic client registration (RFC 7591), for apps that know nobody here."""

from urllib.parse import urlsplit

from joserfc.errors import JoseError

from portals.sandbox.addresses import Site
from portals.sandbox.clients import LOOPBACK
from portals.sandbox.keys import ALGORITHMS, key_set
from portals.sandbox.models import Client, digest, new_secret
from portals.sandbox.oauth_errors import OAuthError

MAX_REDIRECT_URIS = 10


def register(*, site: Site, metadata: dict) -> dict:
    """Make a client from its metadata; answers the registration, its secret included this once.

    Raises OAuthError `invalid_redirect_uri` or `invalid_client_metadata`.
    """
    method = metadata.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in site.variant.auth_methods:
        raise OAuthError("invalid_client_metadata", f"token_endpoint_auth_method {method} is not supported.")
    algorithm = metadata.get("id_token_signed_response_alg", "RS256")
    if algorithm not in ALGORITHMS:
        raise OAuthError("invalid_client_metadata", "id_token_signed_response_alg must be RS256 or ES384.")
    secret = new_secret() if method.startswith("client_secret") else ""
    row = Client.objects.create(
        name=str(metadata.get("client_name", "An app"))[:200],
        auth_method=method,
        secret_digest=digest(secret) if secret else "",
        redirect_uris=_redirect_uris(metadata.get("redirect_uris")),
        id_token_alg=algorithm,
        **_keys(metadata, site) if method == "private_key_jwt" else {},
    )
    return _answer(row, secret)


def _redirect_uris(given) -> list[str]:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_REDIRECT_URIS:
        raise OAuthError("invalid_redirect_uri", f"redirect_uris must be a list of 1 to {MAX_REDIRECT_URIS}.")
    for uri in given:
        parts = urlsplit(uri) if isinstance(uri, str) else urlsplit("")
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not secure or not parts.netloc or parts.fragment:
            raise OAuthError("invalid_redirect_uri", "A redirect URI must be https, or http on a loopback host.")
    return given


def _keys(metadata: dict, site: Site) -> dict:
    """Keys by value, or an address on this host or a loopback host: the sandbox fetches from nowhere else."""
    if "jwks" in metadata:
        try:
            key_set(metadata["jwks"])
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise OAuthError("invalid_client_metadata", "jwks is not a JWK set.") from None
        return {"jwks": metadata["jwks"]}
    parts = urlsplit(str(metadata.get("jwks_uri", "")))
    if parts.scheme not in {"http", "https"} or (parts.netloc != site.host and parts.hostname not in LOOPBACK):
        raise OAuthError("invalid_client_metadata", "Give jwks, or a jwks_uri on this host or a loopback host.")
    return {"jwks_uri": parts.geturl()}


def _answer(row: Client, secret: str) -> dict:
    answer = {
        "client_id": row.client_id,
        "client_id_issued_at": int(row.created_at.timestamp()),
        "client_name": row.name,
        "redirect_uris": row.redirect_uris,
        "token_endpoint_auth_method": row.auth_method,
        "id_token_signed_response_alg": row.id_token_alg,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }
    if secret:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    if row.jwks:
        answer["jwks"] = row.jwks
    if row.jwks_uri:
        answer["jwks_uri"] = row.jwks_uri
    return answer
