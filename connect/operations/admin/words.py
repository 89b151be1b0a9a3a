"""Plain words for failure codes: what it means, whose fault it is, and the next step."""

FAILURES = {
    "user_denied": "The patient said no at the portal. Nothing to do; they can try again.",
    "oauth_callback_failed": "The portal came back with an error. If others fail at this portal too, test it and check its registration.",
    "token_exchange_failed": "The portal refused the code. Check the registration's client id, method and secret.",
    "invalid_scope": "The portal refused the scopes asked for. Set the scopes it takes on its registration.",
    "issuer_mismatch": "The answer named another issuer than the one the patient was sent to. Check the source's discovery document.",
    "patient_missing": "The portal granted access without saying to which patient. Its `patient` claim may need the source's override.",
    "portal_unavailable": "The portal did not answer in time. It is the portal's; the patient can try again.",
    "portal_misconfigured": "The portal does not know our registration, or its discovery document is wrong. This is ours or the vendor's to mend.",
    "authorization_abandoned": "The patient left for the portal and did not come back in time.",
    "access_lapsed": "Access was granted without a refresh token and has run out. The patient must connect again.",
    "refresh_rejected": "The portal does not take the refresh token any more. The patient must connect again.",
}
UNKNOWN = "See the audit log and the worker's log lines of that time."


def explain_failure(code: str | None) -> str:
    """A sentence or two for operators about one of the contract's failure codes (section 2)."""
    return FAILURES.get(code or "", UNKNOWN)
