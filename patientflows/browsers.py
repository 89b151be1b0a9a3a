"""The one thing tied to a browser: a random cookie that the browser which leaves for the portal gets (contract 3.1).

The callback is believed at once only in that browser: nobody can have another person's records land in their account.
"""

import hmac

from django.conf import settings

from connect.crypto import new_token, token_hash

LIFETIME_SECONDS = 2 * 3600


def cookie_name() -> str:
    """`__Host-` keeps other subdomains from setting it (RFC 6265bis 4.1.3.2); it needs https."""
    return "__Host-connect_browser" if settings.HTTPS else "connect_browser"


def secret_of(request) -> str:
    """This browser's secret, a fresh one if it has none."""
    return request.COOKIES.get(cookie_name()) or new_token(128)


def is_browser(request, browser_hash: str) -> bool:
    """Whether the request comes from the browser with this hash."""
    secret = request.COOKIES.get(cookie_name())
    return bool(secret) and hmac.compare_digest(token_hash(secret), browser_hash)


def remember(response, secret: str) -> None:
    """Set the cookie: top-level navigations back from the portal carry it, nothing else does."""
    response.set_cookie(
        cookie_name(), secret, max_age=LIFETIME_SECONDS, secure=settings.HTTPS, httponly=True, samesite="Lax"
    )
