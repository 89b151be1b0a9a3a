"""JSON documents read from portals: small, bounded, and never trusted to be what they claim."""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from connect import outbound
from portals.smart.errors import OutcomeUncertain, PortalUnavailable, SmartError, from_outbound

TRANSIENT_STATUSES = frozenset({408, 425, 429})


def below(base_url: str, path: str) -> str:
    """`path` appended to the base's own path, never to the host's root; the base's query stays."""
    parts = urlsplit(base_url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}", fragment=""))


def parse_object(body: bytes) -> dict | None:
    """A JSON object, or None for anything else (HTML, arrays, nesting deep enough to hurt)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def fetch_object(url: str, *, accept: str = "application/json") -> dict | None:
    """GET a JSON object. None: the portal has no such document here (4xx, or a page for people).

    Raises PortalUnavailable (time, size, 5xx, 429) or PortalMisconfigured (TLS, address, redirect elsewhere).
    """
    try:
        answer = outbound.request("GET", url, headers={"Accept": accept}, policy=outbound.PROBE)
    except outbound.OutboundError as error:
        raise _for_reading(from_outbound(error)) from error
    if is_transient(answer.status):
        raise unavailable(answer.status, answer.headers)
    return parse_object(answer.body) if answer.status == 200 else None


def is_transient(status: int) -> bool:
    return status >= 500 or status in TRANSIENT_STATUSES


def unavailable(status: int, headers: Mapping[str, str]) -> PortalUnavailable:
    """PortalUnavailable for a status, with the wait the portal asked for."""
    return PortalUnavailable(f"http_{status}", retry_after_seconds=outbound.retry_after_seconds(headers))


def _for_reading(error: SmartError) -> SmartError:
    """Reading changes nothing there, so an unanswered read is merely unavailable."""
    return PortalUnavailable(error.reason) if isinstance(error, OutcomeUncertain) else error
