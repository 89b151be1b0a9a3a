"""What a receipt states."""

from datetime import UTC, datetime

from django.conf import settings
from django.utils.translation import get_language

from patientflows import statement
from patientflows.models import Attempt
from portals.models import Connection

FORMAT = "connect.consent-receipt/1"


def claims_of(receipt_id: str, attempt: Attempt, connection: Connection) -> dict:
    """The statement about one attempt that led to a connection. `shown` is null in Direct Mode: no page of ours was."""
    flow, source = attempt.flow, attempt.source
    organization = flow.organization
    return {
        "format": FORMAT,
        "jti": receipt_id,
        "iss": settings.BASE_URL,
        "iat": int(attempt.settled_at.timestamp()),
        "environment": flow.environment,
        "patient": {"id": flow.patient.patient_id},
        "organization": {
            "id": organization.pk, "name": organization.name, "purpose": organization.purpose_in(get_language()),
            "privacy_policy": organization.privacy_url, "support": organization.support_contact,
        },
        "source": {"id": source.pk, "name": source.name, "fhir_base_url": source.fhir_base_url},
        "connection": {"id": connection.pk, "patient_flow_id": flow.pk, "attempt_id": attempt.pk},
        "asked": {"at": stamp(attempt.created_at), "scopes": attempt.scope.split()},
        "granted": {
            "at": stamp(attempt.settled_at), "scopes": list(connection.scopes), "missing": list(connection.scopes_missing),
            "ends_at": stamp(connection.access_ends_at),
        },
        "shown": None if flow.is_direct else words_shown(organization),
    }  # fmt: skip


def words_shown(organization) -> dict:
    """The sentences on the pages, in the language they were read in."""
    return {
        "version": statement.VERSION,
        "language": get_language(),
        "sentences": [statement.request_sentence(organization), *statement.sharing_sentences(organization)],
    }


def stamp(moment: datetime | None) -> str | None:
    """ISO 8601 UTC with milliseconds (contract 1)."""
    return moment and moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
