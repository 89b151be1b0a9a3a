"""The flow's URLs: the link a patient opens, and the way back to the app with its parameters (contract 3.1)."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings

from patientflows.models import Attempt, PatientFlow

DESCRIPTIONS = {
    "user_denied": "The patient did not grant access.",
    "oauth_callback_failed": "The portal returned an error.",
    "token_exchange_failed": "The portal did not accept the authorisation code.",
    "invalid_scope": "The portal does not offer the access that was asked for.",
    "issuer_mismatch": "The answer came from another authorisation server than expected.",
    "patient_missing": "The portal did not say whose record was shared.",
    "portal_unavailable": "The portal could not be reached.",
    "portal_misconfigured": "The portal does not accept this application.",
    "authorization_abandoned": "The patient did not come back from the portal in time.",
}


def flow_url(token: str) -> str:
    return f"{settings.BASE_URL}/c/{token}"


def return_url(flow: PatientFlow, attempt: Attempt | None = None) -> str:
    """`flow.return_url` with its own query kept and ours appended; `attempt` is the ended one of a Direct flow."""
    parameters = {"patient_id": flow.patient.patient_id, "patient_flow_id": flow.pk}
    if attempt is not None and attempt.status == Attempt.Status.CONNECTED:
        parameters |= {"success": "true", "connection_id": attempt.source_id}
    elif attempt is not None:
        parameters |= {"success": "false", "error": attempt.failure_code}
        if attempt.failure_code in DESCRIPTIONS:
            parameters["error_description"] = DESCRIPTIONS[attempt.failure_code]
    parts = urlsplit(flow.return_url)
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit(parts._replace(query=query))
