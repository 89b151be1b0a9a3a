"""A portal's limits, shared by all workers through one row: how many calls at once, and not before when.

429 and 503 with Retry-After halve what we allow ourselves; success gives it back slowly. Ten failures in a row open the
circuit for that portal only; after the wait one pull tries again (smart-fhir.md 7.6, `pull-paused-portal-circuit`).
"""

from datetime import timedelta
from urllib.parse import urlsplit

from django.db.models import F, Q
from django.db.models.functions import Greatest, Least
from django.utils import timezone

from portals.models import Source
from pulls.models import PortalBudget, Pull

CIRCUIT_FAILURES = 10
CIRCUIT_WAIT = timedelta(seconds=60)
UNTOLD_WAIT_SECONDS = 2.0
SHORTEST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 3600
PAGE_SIZES_LAST = timedelta(days=7)


def key_of(source: Source) -> str:
    """The sources of one key share limits: a group set by the operator, else the host."""
    return source.rate_limit_group or urlsplit(source.fhir_base_url).netloc


def look(key: str) -> PortalBudget:
    """What we know of the portal now."""
    budget, _ = PortalBudget.objects.get_or_create(key=key)
    return budget


def share(budget: PortalBudget) -> int:
    """How many calls one of the pulls now running at this portal may have under way."""
    running = Pull.objects.filter(portal_key=budget.key, status=Pull.Status.RUNNING).count()
    return max(1, budget.concurrency // max(1, running))


def slow_down(key: str, seconds: float | None) -> PortalBudget:
    """The portal said it is too much: halve, and keep away for as long as it asked (at most an hour).

    Calls that were under way together are told together: they halve once.
    """
    now = timezone.now()
    wait = UNTOLD_WAIT_SECONDS if seconds is None else max(seconds, SHORTEST_WAIT_SECONDS)
    until = now + timedelta(seconds=min(wait, LONGEST_WAIT_SECONDS))
    is_new = Q(not_before=None) | Q(not_before__lte=now)
    _change(key, is_new, concurrency=Greatest(F("concurrency") / 2, 1), not_before=until)
    _change(key, Q(not_before__lt=until), not_before=until)
    return look(key)


def note_failure(key: str) -> bool:
    """Count a failure; True when the circuit opens with it."""
    _change(key, failures=F("failures") + 1)
    if look(key).failures < CIRCUIT_FAILURES:
        return False
    _change(key, failures=CIRCUIT_FAILURES - 1, not_before=timezone.now() + CIRCUIT_WAIT)
    return True


def note_success(budget: PortalBudget) -> None:
    """All is well: close the circuit and allow one more call at once. Writes only where something changes."""
    if budget.failures or budget.concurrency < PortalBudget.MOST:
        _change(budget.key, failures=0, concurrency=Least(F("concurrency") + 1, PortalBudget.MOST))


def page_sizes(key: str) -> dict[str, int]:
    """Types whose pages must be smaller at this portal, as learned in the last days: type → size."""
    learned = PortalBudget.objects.filter(key=key).values_list("page_sizes", flat=True).first() or {}
    oldest = (timezone.now() - PAGE_SIZES_LAST).date().isoformat()
    return {type_: size for type_, (size, day) in learned.items() if day >= oldest}


def remember_page_size(key: str, type_: str, size: int) -> None:
    """A page of this size came where a larger one had not. Of two workers that learn at once one may be forgotten."""
    learned = look(key).page_sizes or {}
    _change(key, page_sizes=learned | {type_: [size, timezone.now().date().isoformat()]})


def _change(key: str, *only_if: Q, **columns) -> None:
    PortalBudget.objects.filter(*only_if, key=key).update(updated_at=timezone.now(), **columns)
