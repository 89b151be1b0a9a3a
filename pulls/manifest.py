"""What a pull can vouch for (contract 5.1), so that "no allergies" is never mistaken for "allergies refused"."""

import hashlib
import json
from collections import Counter

from django.db.models import Count

from connect.organizations.fields import InstantField
from pulls.models import Pull, Reference, Search
from pulls.outcome import status_of
from pulls.retries import vouched_before

NAMED_REFERENCES = 500
instant = InstantField().to_representation


def build(pull: Pull, *, gone: dict[str, int]) -> dict:
    """The manifest of a pull about to be settled. Holds ids of resources, none of their contents."""
    searches = list(pull.searches.order_by("order"))
    references = pull.references
    return {
        "resource_type": "pull_manifest",
        "pull_id": pull.pk,
        "connection_id": pull.connection.source_id,
        "fhir_base_url": pull.connection.source.fhir_base_url,
        "trigger": pull.trigger,
        "retry_of": pull.retry_of_id,
        "started_at": instant(pull.started_at),
        "finished_at": instant(pull.finished_at),
        "scopes": pull.connection.scopes,
        "searches": [_search(search) for search in searches],
        "types_refused": _refused(searches),
        "types_vouched_before": _vouched_before(pull, {search.resource_type for search in searches}),
        "resources_gone": gone,
        "references": _references(references.filter(is_document=False)),
        "documents": _references(references.filter(is_document=True)),
    }


def _search(search: Search) -> dict:
    return {
        "type": search.resource_type,
        "query": search.query,
        "status": search.status,
        "pages": search.pages,
        "pages_lost": search.lost_pages,
        "total": search.expected,
        "fetched": search.fetched,
        "included": search.included,
        "kept": search.stored,
        "unchanged": search.unchanged,
        "unreadable": search.unreadable,
        "outcomes": search.outcomes,
        "error": search.error,
    }


def _refused(searches: list[Search]) -> list[dict]:
    """The types of which nothing could be had, and why."""
    by_type: dict[str, list[Search]] = {}
    for search in searches:
        by_type.setdefault(search.resource_type, []).append(search)
    lacking = (Search.Status.REFUSED, Search.Status.FAILED)
    return [
        {"type": resource_type, "status": status_of(of_type), "reason": of_type[0].error}
        for resource_type, of_type in by_type.items()
        if status_of(of_type) in lacking
    ]


def _vouched_before(pull: Pull, asked: set[str]) -> list[dict]:
    """Of a retry: the types it did not ask for, each with the pull whose manifest tells of it."""
    return [
        {"type": type_, "status": one.status, "pull_id": pull_id}
        for type_, (pull_id, one) in vouched_before(pull).items()
        if type_ not in asked
    ]


def _references(references) -> dict:
    counts = dict(references.values_list("status").annotate(Count("pk")))
    lacking = references.filter(status__in=[Reference.Status.FAILED, Reference.Status.SKIPPED]).exclude(reason="held")
    return {
        "listed": sum(counts.values()),
        "fetched": counts.get(Reference.Status.FETCHED, 0),
        "held": references.filter(status=Reference.Status.SKIPPED, reason="held").count(),
        "skipped": references.filter(status=Reference.Status.SKIPPED).exclude(reason="held").count(),
        "failed": counts.get(Reference.Status.FAILED, 0),
        "reasons": dict(Counter(lacking.values_list("reason", flat=True))),
        "lacking": [
            {"target": reference.target, "status": reference.status, "reason": reference.reason}
            for reference in lacking.order_by("pk")[:NAMED_REFERENCES]
        ],
    }


def canonical(manifest: dict) -> str:
    """The text whose SHA-256 goes into the pull's event: sorted keys, no spaces (RFC 8785 for these values)."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
