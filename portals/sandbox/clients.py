"""Who may ask for access: the pre-registered apps, and those that registered themselves.

Pre-registered apps need no list of redirect URIs. The rule for them: any http(s) address on this very host or on a
loopback host (127.0.0.1, localhost, ::1, any port) whose path is `/oauth/callback` or anything below it, with no
query, fragment or user name. Apps that register themselves are held to the exact addresses they gave.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from portals.sandbox.models import Client, digest

CALLBACK_PATH = re.compile(r"/oauth/callback(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class App:
    """A client of the authorisation server. `redirect_uris` is None for the rule above."""

    client_id: str
    name: str
    auth_methods: tuple[str, ...]
    secret_digest: str = ""
    redirect_uris: tuple[str, ...] | None = None
    jwks: dict | None = None
    jwks_uri: str = ""
    id_token_alg: str = "RS256"

    @property
    def is_public(self) -> bool:
        return self.auth_methods == ("none",)

    def has_secret(self, secret: str) -> bool:
        return bool(self.secret_digest) and digest(secret) == self.secret_digest

    def may_return_to(self, uri: str, host: str) -> bool:
        if self.redirect_uris is not None:
            return uri in self.redirect_uris
        return is_callback(uri, host)


SECRET = "connect-sandbox-secret"
PREREGISTERED = {
    app.client_id: app
    for app in (
        App(
            "connect-sandbox",
            "Connect",
            ("client_secret_basic", "client_secret_post"),
            secret_digest=digest(SECRET),
        ),
        App("connect-sandbox-public", "Connect (public app)", ("none",)),
        App(
            "connect-sandbox-jwt",
            "Connect (signed assertions)",
            ("private_key_jwt",),
            jwks_uri="/.well-known/jwks.json",  # of the host the sandbox itself is reached at
        ),
    )
}


def find(client_id: str) -> App | None:
    """The app of that id, or None."""
    if client_id in PREREGISTERED:
        return PREREGISTERED[client_id]
    row = Client.objects.filter(client_id=client_id).first() if client_id else None
    return row and App(
        client_id=row.client_id,
        name=row.name,
        auth_methods=(row.auth_method,),
        secret_digest=row.secret_digest,
        redirect_uris=tuple(row.redirect_uris),
        jwks=row.jwks,
        jwks_uri=row.jwks_uri,
        id_token_alg=row.id_token_alg,
    )


def is_callback(uri: str, host: str) -> bool:
    """Whether the rule for pre-registered apps lets a patient go back to `uri`; `host` is ours, with its port."""
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    ours = parts.netloc.lower() == host.lower() or parts.hostname in LOOPBACK
    return ours and CALLBACK_PATH.fullmatch(parts.path) is not None
