"""Preflight for what is due, and on demand: claim, ask on threads, write the ledger, mark the source."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from portals import probing
from portals.diagnoses import Diagnosis, diagnosis
from portals.models import Preflight, Registration, Source
from portals.preflight.checks import Findings, check
from portals.preflight.facts import Facts, facts_of

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=24)
AFTER_FAILURE = timedelta(hours=1)
LEASE = timedelta(minutes=10)
BATCH, THREADS = 24, 6
WRITTEN_AT_ONCE = 500
# First checks begin at this pace, so that a catalogue of 24,000 portals is met over a day and not in a rush.
PACE = timedelta(seconds=3.6)


def preflight_due() -> bool:
    """Check what is due, one batch; True when there may be more."""
    claimed = _claim()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="preflight") as threads:
        for preflight, findings in zip(claimed, threads.map(_surely, map(facts_of, claimed)), strict=True):
            if findings:
                settle(preflight, findings)
    return bool(claimed)


def preflight(source: Source) -> dict[str, Diagnosis | None]:
    """Check every registration that patients of this source may use, now: what is wrong, by registration id.

    Calls the portal: not in a transaction.
    """
    for registration in Registration.objects.filter(environment=source.environment):
        if _served(registration).filter(pk=source.pk).exists():
            Preflight.objects.get_or_create(source=source, registration=registration)
    rows = Preflight.objects.filter(source=source).select_related("source", "registration")
    return {row.registration_id: settle(row, check(facts_of(row))) for row in rows}


def plan_missing() -> int:
    """A row for each registration at each source it serves, and none elsewhere; how many were new.

    They come due spread out. A source whose discovery document need not be looked at is not checked either.
    """
    made = 0
    for registration in Registration.objects.all():
        served = _served(registration)
        registration.preflights.exclude(source__in=served).delete()
        looked_at_daily = served.filter(probe_due_at__lte=timezone.now() + EVERY)
        unchecked = looked_at_daily.exclude(preflights__registration=registration).values_list("pk", flat=True)
        rows = _first_checks(registration, list(unchecked))
        while some := list(itertools.islice(rows, WRITTEN_AT_ONCE)):
            made += len(Preflight.objects.bulk_create(some, ignore_conflicts=True))
    return made


def _first_checks(registration: Registration, source_ids: list[str]) -> Iterator[Preflight]:
    within = min(EVERY, PACE * len(source_ids))
    for source_id in source_ids:
        due_at = timezone.now() + within * random.random()
        yield Preflight(source_id=source_id, registration=registration, due_at=due_at)


def _served(registration: Registration):
    offered = Source.objects.offered(registration.environment)
    if registration.source_id:
        return offered.filter(pk=registration.source_id)
    if not registration.vendor:
        return offered.none()
    nearer = Registration.objects.filter(organization=registration.organization_id).exclude(source=None)
    return offered.filter(vendor=registration.vendor).exclude(pk__in=nearer.values("source"))


@transaction.atomic
def _claim() -> list[Preflight]:
    now = timezone.now()
    due = Preflight.objects.due(now).filter(source__withdrawn_at=None).select_for_update(skip_locked=True, of=("self",))
    rows = list(due.select_related("source", "registration").order_by("due_at")[:BATCH])
    Preflight.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=now + LEASE)
    return rows


def _surely(facts: Facts) -> Findings | None:
    try:
        return check(facts)
    except Exception as error:  # noqa: BLE001 (one portal's surprise must not stop the others' checks)
        log.error("preflight.surprise", error=type(error).__name__)
        return None


def settle(preflight: Preflight, findings: Findings) -> Diagnosis | None:
    """Write the ledger, and mark the source when everybody uses this registration there."""
    source, configuration = preflight.source, findings.configuration
    if configuration:
        source.remember_configuration(configuration.to_dict())
        if probing.have_moved(source, configuration):
            findings.note("endpoints", "endpoints_moved")
    wait = AFTER_FAILURE if findings.diagnosis else EVERY
    preflight.settle(
        diagnosis=findings.diagnosis, checks=findings.checks, due_at=timezone.now() + wait * random.uniform(0.8, 1.2)
    )
    found = diagnosis(findings.diagnosis)
    if preflight.registration.organization_id is None:
        probing.stand(source, found, failures=source.probe_failures, probe_due_at=source.probe_due_at)
    return found
