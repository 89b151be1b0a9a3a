"""What each error code means and what to do: the page behind `doc_url` (contract 1.2)."""

import json
import re
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connect.errors import CODES, ApiError
from connect.openapi.components import error_example


@dataclass(frozen=True)
class ErrorPage:
    """One code's page."""

    error: type[ApiError]
    meaning: SafeString
    remedy: SafeString

    @property
    def example(self) -> str:
        """An answer of this code, as JSON."""
        return json.dumps(error_example(self.error)["value"], indent=2, ensure_ascii=False)


def with_code(text: str) -> SafeString:
    """The text as HTML, in which what stands in backticks is code."""
    parts = re.split(r"`([^`]*)`", text)
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", p) if i % 2 else p,) for i, p in enumerate(parts))
    )


_TEXTS = {
    "missing_api_key": (
        "The request carries no API key, or not as a bearer token.",
        "Send `Authorization: Bearer mb_sk_…`. Keys are made by an operator in the admin and shown once.",
    ),
    "invalid_api_key": (
        "No living key is equal to the one sent: it was mistyped, revoked, or belongs to another installation.",
        "Compare its first characters with the key's hint in the admin; make a new key if it was lost.",
    ),
    "expired_api_key": ("The key had an expiry, and it has passed.", "Make a new key and deploy it."),
    "insufficient_scope": (
        "The key is valid but was not given the scope this operation needs; the message names it.",
        "Make a key with that scope. Scopes of a key cannot be widened afterwards.",
    ),
    "forbidden": ("The operation is not allowed here.", "See the message; ask the operator if it surprises you."),
    "bad_request": (
        "The body is not JSON, or the Content-Type is not application/json.",
        "Send a UTF-8 JSON object with `Content-Type: application/json`.",
    ),
    "invalid_data": (
        "A field of the body or the query string is not acceptable. `param` is its path (`events[1]`, `metadata.plan`).",
        "The message says what would be accepted. Unknown fields are refused, so that a typo never passes silently.",
    ),
    "unsupported_api_version": (
        "The `Version` header names a version that was never published.",
        "Leave the header out (the key's pinned version then holds), or name a published one.",
    ),
    "oauth_state_expired": (
        "The patient came back from the portal after more than 60 minutes, or by an address that was already used.",
        "The patient opens the link again; if it has run out, create a new PatientFlow.",
    ),
    "payload_too_large": ("The body is larger than 1 MiB.", "Send less; metadata is limited to 16 KiB."),
    "resource_not_found": (
        "No such object in this organisation and environment. What belongs to others is not found either.",
        "Check the id, and that a sandbox key is not asking for a production object. `param` names a field of yours.",
    ),
    "method_not_allowed": ("The path exists, but not with this method.", "The `Allow` header lists the methods."),
    "resource_conflict": (
        "The request contradicts the present state: a flow that is not open any more, or an `Idempotency-Key` that was "
        "used for another request or is still being worked on.",
        "Read the object again; with `Retry-After`, repeat the same request after that many seconds.",
    ),
    "external_id_already_exists": (
        "The organisation has a patient with this patient_id in this environment.",
        "Use `PUT /patients/{id}` to change it. `POST /patient-flows` makes patients by itself.",
    ),
    "throttled": (
        "More requests than the limit allows.",
        "Wait for `Retry-After` seconds. The `RateLimit` headers of every answer say what is left.",
    ),
    "fhir_error": ("The portal's FHIR server failed.", "It is retried in the background; see the pull's manifest."),
    "oauth_error": ("The portal's authorisation server failed.", "Try again later; operators see the portal's state."),
    "token_exchange_failed": (
        "The portal did not accept the authorisation code, or its answer was lost.",
        "The patient tries again: a code is never sent twice.",
    ),
    "token_unavailable": (
        "The connection has no valid access token now.",
        "If its status is `active`, try again shortly; otherwise the patient must reconnect.",
    ),
    "storage_error": ("The export destination could not be written.", "Check its address and credentials; test it."),
    "internal_error": (
        "A fault of ours. Nothing of the request was kept.",
        "Try again; if it stays, tell the operator the request_id: it is in every log line of the request.",
    ),
}

PAGES = {code: ErrorPage(error, *map(with_code, _TEXTS[code])) for code, error in CODES.items()}
