"""How a portal can fail us, told apart by what to do next (SMART 2.2, RFC 6749 5.2; judged by the JSON `error`).

`failure_code` is the contract's word for integrators; `reason` is a slug of ours for operators. Neither, nor the
message, ever holds text the portal wrote: that is untrusted, and may be about a person.
"""

from connect.outbound import OutboundError


class SmartError(Exception):
    """Base of all. retry_after_seconds: how long the portal asked us to stay away, if it did."""

    failure_code = "token_exchange_failed"

    def __init__(self, reason: str, *, failure_code: str | None = None, retry_after_seconds: float | None = None):
        self.reason = reason
        self.failure_code = failure_code or self.failure_code
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class GrantRefused(SmartError):
    """The portal says the code or refresh token is no good, for good: the patient must authorise again."""


class ScopeRefused(GrantRefused):
    """The portal refuses the scopes. On refresh without `scope` this is as final as any refusal."""

    failure_code = "invalid_scope"


class GrantSuspect(SmartError):
    """A refusal some portals give for a dead refresh token and others for a passing fault: final the second time."""


class PortalMisconfigured(SmartError):
    """Our registration or the portal's set-up is wrong: an operator's matter, never the patient's doing."""

    failure_code = "portal_misconfigured"


class PortalUnavailable(SmartError):
    """Transient: nothing was changed there, the same call may be made again later."""

    failure_code = "portal_unavailable"


class OutcomeUncertain(SmartError):
    """The request went out and no usable answer came: the portal may have acted on it."""

    failure_code = "portal_unavailable"


class ProtocolFault(SmartError):
    """A success that is none: no access token, or one of a kind we cannot use."""


class PatientMissing(SmartError):
    """The portal granted access and did not say to whose records. Never guessed (SMART 2.2, launch context)."""

    failure_code = "patient_missing"

    def __init__(self):
        super().__init__("patient_missing")


class PatientChanged(SmartError):
    """A refresh answered for another patient: nothing it brings may be stored."""

    failure_code = "refresh_rejected"

    def __init__(self):
        super().__init__("patient_changed")


class IdTokenInvalid(SmartError):
    """The ID token does not prove what it says (OpenID Connect Core 3.1.3.7)."""


class CallbackError(SmartError):
    """The browser came back without a usable code."""

    failure_code = "oauth_callback_failed"


class RevocationUnsupported(SmartError):
    """The portal cannot revoke this kind of token: the patient has to do it at the portal."""

    failure_code = "portal_misconfigured"


CONFIGURATION_REASONS = frozenset({"tls", "redirect", "bad_url", "bad_header", "insecure", "address_not_allowed"})


def from_outbound(error: OutboundError) -> SmartError:
    """The class of a call that brought no answer. What may have been sent and was not answered is uncertain."""
    if error.reason in CONFIGURATION_REASONS:
        return PortalMisconfigured(error.reason)
    if error.sent:
        return OutcomeUncertain(error.reason)
    return PortalUnavailable(error.reason)
