"""What can be wrong with a portal or with our registration there: one plain diagnosis for each known failure.

A diagnosis is a slug in rows and metrics, and a sentence for operators that says what to do.
"""

from dataclasses import dataclass

from portals.models import Source
from portals.smart.discovery import REFUSALS
from portals.smart.errors import SmartError

Status = Source.Status


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`status`: what patients are to be told of the source meanwhile."""

    slug: str
    text: str
    status: str = Status.UNAVAILABLE


TEXTS = {
    "dns": "The portal's host name is not known (DNS).",
    "portal_down": "The portal does not answer. It is tried again; nothing is to be done unless it lasts.",
    "tls": "The portal's TLS certificate is not valid, so nothing is sent there. Only the portal can mend that.",
    "no_discovery": "The portal publishes neither a SMART configuration nor OAuth addresses in its metadata at this base"
    " URL. Check the base URL in the catalogue.",
    "redirected": "The portal's discovery document redirects to another host. Check the base URL in the catalogue.",
    "address_refused": "The portal's address is one that this installation may not call (private network or plain http).",
    "api_switched_off": "The login works, the FHIR API refuses this base URL: the practice has not switched its patient"
    " API on, or not for our app. Ask the practice or its vendor.",
    "api_not_fhir": "The login works, and where the FHIR API should be something else answers with status 200: a"
    " maintenance page, or a login in front of the API. It is tried again; ask the portal if it lasts.",
    "no_signing_key": "No key can sign for this registration. Run `manage.py signing_keys rotate`.",
    "keys_unreachable": "Our key set at /.well-known/jwks.json cannot be read from outside, or lacks the key that signs."
    " Portals that read it will say invalid_client. Check BASE_URL and the proxy.",
    "key_not_registered": "The key that signs now is not among those this portal was given by hand. Register the new key"
    " there, and note its id in the registration.",
    "no_secret": "The registration needs a client secret and has none.",
    "secret_expired": "The client secret has expired. Ask the portal for a new one.",
    "client_not_yet_known": "The portal does not know our client id yet: the registration is fresh, and vendors take up"
    " to some days to hand it out to their sites. It is checked again.",
    "client_refused": "The portal refuses our client id, secret or key (invalid_client). Compare the registration with"
    " what the portal has.",
    "client_not_enabled": "The portal knows our app and does not let it in here: the practice has to enable it.",
    "redirect_uri_refused": "The portal knows our app and refuses the redirect URI. Register exactly the one shown in the"
    " registration.",
    "scope_refused": "The portal refuses the scopes we ask for. Set the ones it allows in the registration.",
    "request_refused": "The portal refuses our authorisation request. Look at its documentation for what it wants.",
}
WARNINGS = {
    "endpoints_moved": "The portal's OAuth endpoints are on another host than when patients connected. Their secrets still"
    " go to the old host; confirm the new one with the portal, then follow it.",
    "never_renewable": "No connection here ever got a refresh token: access ends with the first token. Register a"
    " confidential client, or ask the portal for offline_access.",
}

BY_REASON = {
    "dns": "dns", "tls": "tls", "no_discovery_document": "no_discovery", "redirect": "redirected",
    "insecure": "address_refused", "address_not_allowed": "address_refused", "bad_url": "address_refused",
}  # fmt: skip


def diagnosis(slug: str) -> Diagnosis | None:
    """The diagnosis of this slug; None for "" (nothing is wrong)."""
    if not slug:
        return None
    if slug in WARNINGS:
        return Diagnosis(slug, WARNINGS[slug], Status.DEGRADED)
    return Diagnosis(slug, TEXTS.get(slug) or REFUSALS.get(slug) or TEXTS["portal_down"])


def of_error(error: SmartError) -> str:
    """The slug for a portal whose discovery document could not be had."""
    return BY_REASON.get(error.reason, "portal_down")
