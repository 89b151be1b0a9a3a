"""Making a pull's searches from its plan: once, before the first page."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from pulls import budgets, calls, plans
from pulls.calls import Answer, Verdict
from pulls.capabilities import UNKNOWN, Capabilities, NotACapabilityStatement, read_statement
from pulls.models import Pull, Search
from pulls.retries import before, references_to_ask, types_to_ask
from pulls.store import note_references

CAPABILITIES_LIFE = timedelta(days=1)
FULL_PULL_EVERY = timedelta(days=7)
OVERLAP = timedelta(hours=1)
ORDERS_A_TYPE = 100


class CapabilitiesUnavailable(Exception):
    """The portal's CapabilityStatement cannot be had now; the answer says why."""

    def __init__(self, answer: Answer):
        super().__init__(answer.reason)
        self.answer = answer


def ensure_plan(pull: Pull) -> None:
    """Write the pull's searches unless an earlier worker did. Raises CapabilitiesUnavailable, LeaseLost."""
    if pull.searches.exists():
        return
    capabilities = capabilities_of(pull)
    since, only = changed_since(pull), types_to_ask(pull)
    source = pull.connection.source
    planned = plans.plan(
        scopes=pull.connection.scopes, capabilities=capabilities, vendor=source.vendor, category=source.category,
        overrides=source.overrides, changed_since=dict.fromkeys(capabilities.types, since) if since else None,
        page_sizes=budgets.page_sizes(budgets.key_of(source)),
    )  # fmt: skip
    with transaction.atomic():
        pull.hold(is_full=since is None and only is None)
        Search.objects.bulk_create(
            _rows(pull, [one for one in planned if only is None or one.type in only], capabilities)
        )
        note_references(pull, references_to_ask(pull))


def _rows(pull: Pull, planned: list[plans.Search], capabilities: Capabilities) -> list[Search]:
    several = {search.type for search in planned if sum(other.type == search.type for other in planned) > 1}
    is_typed = Search.objects.filter(pull__in=before(pull), is_typed=True).exists()
    return [
        Search(
            pull=pull, resource_type=search.type, order=place * ORDERS_A_TYPE, query=search.query,
            fallbacks=search.alternatives, is_typed=is_typed, is_one_of_several=search.type in several,
            is_listed=search.required and (not capabilities.is_known or capabilities.lists(search.type)),
        )
        for place, search in enumerate(planned)
    ]  # fmt: skip


def capabilities_of(pull: Pull) -> Capabilities:
    """What the portal offers, from the cache on its row or from `/metadata`; UNKNOWN where it publishes nothing."""
    source = pull.connection.source
    is_fresh = source.capabilities_at and timezone.now() - source.capabilities_at < CAPABILITIES_LIFE
    if is_fresh:
        return Capabilities.from_dict(source.capabilities)
    answer = calls.get(f"{source.fhir_base_url.rstrip('/')}/metadata", None)
    if answer.verdict in (Verdict.BUSY, Verdict.UNAVAILABLE):
        raise CapabilitiesUnavailable(answer)
    try:
        capabilities = read_statement(answer.body)
    except NotACapabilityStatement:
        return UNKNOWN
    source.remember_capabilities(capabilities.to_dict())
    return capabilities


def changed_since(pull: Pull) -> str | None:
    """The instant since when a scheduled pull asks for changes, or None for everything.

    Only after a complete pull, and everything again each week: `_lastUpdated` is not trusted further than that.
    """
    if pull.trigger != Pull.Trigger.SCHEDULE:
        return None
    others = Pull.objects.filter(connection_id=pull.connection_id).exclude(pk=pull.pk).order_by("-pk")
    last = others.select_related("retry_of").first()
    full = others.filter(is_full=True, status=Pull.Status.COMPLETED).first()
    if last is None or full is None or last.status != Pull.Status.COMPLETED:
        return None
    if timezone.now() - full.started_at > FULL_PULL_EVERY:
        return None
    # A retry asked for a few types only: the rest was last looked at by the pull it completed.
    return ((last.retry_of or last).started_at - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")


def qualify_patient(pull: Pull) -> bool:
    """Nothing at all came: some servers want `patient=Patient/<id>` (smart-fhir.md 7.6, `pull-bare-id-zero-hits`).

    Makes every search that found nothing ask again in that form, once; True when there is something to ask.
    """
    searches = pull.searches.exclude(resource_type="Patient")
    if not pull.is_full or searches.filter(fetched__gt=0).exists() or searches.filter(is_typed=True).exists():
        return False
    empty = list(searches.filter(status=Search.Status.DONE))
    with transaction.atomic():
        pull.hold()
        for search in empty:
            search.start_over(is_typed=True)
            search.forget_pages()
            search.save()
    return bool(empty)
