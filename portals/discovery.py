"""A source's discovery document, read from the portal and kept on its row with its age."""

from datetime import timedelta

import structlog
from django.utils import timezone

from portals.models import Source
from portals.smart.discovery import SmartConfiguration, discover
from portals.smart.errors import SmartError

log = structlog.get_logger(__name__)

FRESH_FOR = timedelta(hours=24)
USABLE_FOR = timedelta(days=7)


def configuration_of(source: Source, *, fresh: bool = False) -> SmartConfiguration:
    """What the portal offers: as kept if that is younger than a day, else read from it (or `fresh`).

    When the portal does not answer, what it said within the last week goes on being believed, unless `fresh`. A portal
    that cannot serve us comes back with its `refusal`. Calls the portal: not inside a transaction. Raises SmartError.
    """
    kept = kept_configuration(source)
    if kept and not fresh and _age(source) < FRESH_FOR:
        return kept
    try:
        return read_configuration(source)
    except SmartError as error:
        if fresh or not kept or _age(source) > USABLE_FOR:
            raise
        log.warning("discovery.kept_one_used", source_id=source.pk, reason=error.reason)
        return kept


def read_configuration(source: Source) -> SmartConfiguration:
    """Ask the portal now, and keep its answer. Raises SmartError."""
    configuration = discover(source.fhir_base_url)
    source.remember_configuration(configuration.to_dict())
    return configuration


def kept_configuration(source: Source) -> SmartConfiguration | None:
    """What the portal said last, whenever that was."""
    return SmartConfiguration.from_dict(source.configuration) if source.configuration else None


def token_endpoint(source: Source, pinned: SmartConfiguration) -> str:
    """Where to send a grant's secrets: where it was made, or where the same host says that moved to.

    A change of host is an operator's to confirm, never ours to follow (RFC 9700 2.1).
    """
    kept = kept_configuration(source)
    if kept and kept.token_endpoint and "token_endpoint" not in kept.moved_from(pinned):
        return kept.token_endpoint
    return pinned.token_endpoint or ""


def _age(source: Source) -> timedelta:
    return timezone.now() - source.configured_at if source.configured_at else USABLE_FOR
