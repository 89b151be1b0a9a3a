"""Giving tokens back (RFC 7009)."""

from urllib.parse import urlencode

from connect import outbound
from portals.smart.assertions import ClientCredentials, authenticate
from portals.smart.documents import is_transient, parse_object, unavailable
from portals.smart.errors import (
    OutcomeUncertain,
    PortalMisconfigured,
    PortalUnavailable,
    RevocationUnsupported,
    from_outbound,
)

ALREADY_DEAD = frozenset({"invalid_grant", "invalid_token"})
UNSUPPORTED_STATUSES = frozenset({404, 405, 501})


def revoke(
    *,
    revocation_endpoint: str,
    token_endpoint: str,
    credentials: ClientCredentials,
    token: str,
    token_type_hint: str = "refresh_token",
) -> None:
    """Ask the portal to forget `token`. Returns when it has, or never knew it. May be repeated at will.

    token_endpoint: the audience of a client assertion. Raises PortalUnavailable (try again, after
    retry_after_seconds), RevocationUnsupported, PortalMisconfigured.
    """
    client = authenticate(credentials, token_endpoint=token_endpoint)
    form = {"token": token, "token_type_hint": token_type_hint} | client.fields
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"} | client.headers
    try:
        answer = outbound.request(
            "POST",
            revocation_endpoint,
            headers=headers,
            body=urlencode(form).encode(),
            policy=outbound.PORTAL_TOKEN,
            route="revoke",
        )
    except outbound.OutboundError as error:
        fault = from_outbound(error)
        # Revoking twice is revoking once, so here an unanswered call is no worse than an unavailable portal.
        raise PortalUnavailable(fault.reason) if isinstance(fault, OutcomeUncertain) else fault from error
    _judge(answer)


def _judge(answer: outbound.Response) -> None:
    if 200 <= answer.status < 300:
        return
    error = (parse_object(answer.body) or {}).get("error")
    if error in ALREADY_DEAD:
        return
    if error == "unsupported_token_type" or answer.status in UNSUPPORTED_STATUSES:
        raise RevocationUnsupported("unsupported")
    if is_transient(answer.status):
        raise unavailable(answer.status, answer.headers)
    if isinstance(error, str) or 300 <= answer.status < 400:
        raise PortalMisconfigured(error if error in ("invalid_client", "invalid_request") else "revocation_refused")
    raise PortalUnavailable(f"http_{answer.status}")
