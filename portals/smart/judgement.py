"""A failed token answer, classed (RFC 6749 5.2). Servers disagree on the status for one and the same error.

Seen for the same dead refresh token: 400, 401 and 403 with `invalid_grant`, and 400 `invalid_request`. So the JSON
`error` decides, and the status only where there is none.
"""

from collections.abc import Mapping

from portals.smart.documents import is_transient, parse_object, unavailable
from portals.smart.errors import (
    GrantRefused,
    GrantSuspect,
    PortalMisconfigured,
    PortalUnavailable,
    ScopeRefused,
    SmartError,
)

CLIENT_FAULTS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_target"})
TRANSIENT_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down", "too_many_requests"})
FAILURE_CODES = {"code": "token_exchange_failed", "refresh": "refresh_rejected"}


def judge(status: int, headers: Mapping[str, str], body: bytes, *, purpose: str) -> SmartError | None:
    """None for a success; else the error to raise. purpose: "code" or "refresh"."""
    if 300 <= status < 400:
        return PortalMisconfigured("redirect")
    document = parse_object(body)
    error = document.get("error") if document else None
    if document is not None and error is None and 200 <= status < 300:
        return None
    if isinstance(error, str):
        return _by_error(error, status, headers, FAILURE_CODES[purpose], purpose)
    if is_transient(status):
        return unavailable(status, headers)
    # An HTML page, an API gateway's own JSON, a maintenance notice with status 200: nobody judged the grant.
    return PortalUnavailable("not_an_oauth_answer")


def _by_error(error: str, status: int, headers: Mapping[str, str], failure_code: str, purpose: str) -> SmartError:
    if error == "invalid_grant":
        return GrantRefused(error, failure_code=failure_code)
    if error in CLIENT_FAULTS:
        return PortalMisconfigured(error)
    if error in TRANSIENT_ERRORS or is_transient(status) or status == 200:
        return unavailable(status, headers)
    if error == "invalid_scope":
        return ScopeRefused(error)
    reason = error if error == "invalid_request" else "unknown_error"
    if purpose == "refresh":
        return GrantSuspect(reason, failure_code=failure_code)
    return GrantRefused(reason, failure_code=failure_code)
