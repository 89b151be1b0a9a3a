"""Plain words for failure codes: what it means, whose fault it is, and the next step."""

from connect.outbound.errors import REASONS

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
# Why a pull failed, waits or ended, and the next step.
PULLS = {
    "access_lost": "The connection's access ended meanwhile. The patient must connect again.",
    "access_rejected": "The portal refused a fresh access token. Look at the connection: the patient may have to connect again.",
    "portal_unavailable": "The portal failed ten times in a row, so it is left alone for a while. It is the portal's.",
    "rate_limited": "The portal asked us to come later, and we do.",
    "capabilities_unavailable": "The portal's CapabilityStatement could not be read. Test the portal.",
    "token_endpoint_unavailable": "The access token could not be renewed, because the token endpoint does not answer.",
    "nothing_could_be_had": "No type could be had; the table says why of each.",
    "by_request": "Somebody asked for it; the audit log says who.",
    "canceled_by_staff": "A member of staff canceled it; the audit log says who.",
    "disconnected": "The connection was disconnected.",
}
# What an answer by status means, from whoever gave it.
STATUSES = {
    "http_400": "the request was not understood", "http_401": "the credentials were not taken",
    "http_403": "access was refused", "http_404": "there is nothing at this address", "http_408": "it timed out over there",
    "http_410": "it is gone for good", "http_413": "the request was too large", "http_422": "the request was not taken",
    "http_429": "too many requests",
}  # fmt: skip
UNKNOWN = "See the audit log and the worker's log lines of that time."


def explain_failure(code: str | None) -> str:
    """A sentence or two for operators about one of the contract's failure codes (section 2)."""
    return FAILURES.get(code or "", UNKNOWN)


def explain_pull(reason: str) -> str:
    """The same about what a pull failed by, waits for or was ended by."""
    return PULLS.get(reason) or f"{explain_answer(reason).capitalize()}."


def explain_answer(slug: str) -> str:
    """Part of a sentence about how a call went: `http_403`, or one of the reasons of `connect.outbound`."""
    if slug.startswith("http_5"):
        return f"the server failed ({slug[5:]})"
    known = STATUSES.get(slug)
    if known:
        return f"{known} ({slug[5:]})"
    return REASONS.get(slug) or slug.replace("_", " ") or "no reason noted"
