"""Dynamic client registration, where a portal offers it (RFC 7591)."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connect import outbound
from portals.smart.documents import is_transient, parse_object, unavailable
from portals.smart.errors import PortalMisconfigured, ProtocolFault, from_outbound

METHOD_NAMES = {"public": "none"}
OUR_NAMES = {"none": "public"}


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """What the portal gave us. method: one of ours (assertions.METHODS); secret_expires_at: None for never."""

    client_id: str
    method: str
    secret: str | None = field(default=None, repr=False)
    secret_expires_at: datetime | None = None
    management_uri: str | None = None
    management_token: str | None = field(default=None, repr=False)


def register(
    *,
    registration_endpoint: str,
    client_name: str,
    redirect_uri: str,
    method: str,
    scope: str,
    client_uri: str | None = None,
    jwks_uri: str | None = None,
    initial_access_token: str | None = None,
) -> RegisteredClient:
    """Register an app. `jwks_uri` is sent for private_key_jwt.

    Raises PortalMisconfigured (refused), PortalUnavailable, OutcomeUncertain, ProtocolFault.
    """
    metadata = {
        "client_name": client_name,
        "client_uri": client_uri,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": METHOD_NAMES.get(method, method),
        "scope": scope,
        "jwks_uri": jwks_uri if method == "private_key_jwt" else None,
    }
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if initial_access_token:
        headers["Authorization"] = f"Bearer {initial_access_token}"
    body = json.dumps({name: value for name, value in metadata.items() if value is not None}).encode()
    try:
        answer = outbound.request(
            "POST", registration_endpoint, headers=headers, body=body, policy=outbound.PORTAL_TOKEN, route="register"
        )
    except outbound.OutboundError as error:
        raise from_outbound(error) from error
    return _registered(answer, method)


def _registered(answer: outbound.Response, method: str) -> RegisteredClient:
    if is_transient(answer.status):
        raise unavailable(answer.status, answer.headers)
    if answer.status not in (200, 201):
        raise PortalMisconfigured("registration_refused")
    document = parse_object(answer.body) or {}
    client_id = document.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise ProtocolFault("no_client_id", failure_code="portal_misconfigured")
    given = document.get("token_endpoint_auth_method", METHOD_NAMES.get(method, method))
    expires = document.get("client_secret_expires_at")
    return RegisteredClient(
        client_id=client_id,
        method=OUR_NAMES.get(given, given),
        secret=document.get("client_secret"),
        secret_expires_at=datetime.fromtimestamp(expires, UTC) if isinstance(expires, int) and expires else None,
        management_uri=document.get("registration_client_uri"),
        management_token=document.get("registration_access_token"),
    )
