"""Looking at each source's discovery document before a patient does, so that its `status` is true.

Sources are due by their own time, spread over a day; a host with many sources is asked a few at a time. The first
failure only degrades a source, the second marks it unavailable, and it is looked at sooner until it is well again.
"""

import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from django.db import transaction
from django.utils import timezone

from portals import diagnoses
from portals.diagnoses import Diagnosis
from portals.models import Connection, Preflight, Source
from portals.smart.discovery import SmartConfiguration, discover
from portals.smart.errors import PortalUnavailable, SmartError

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=24)
AFTER_FAILURE, LONGEST_AFTER_FAILURE = timedelta(minutes=15), timedelta(hours=6)
LEASE = timedelta(minutes=10)
BATCH, PER_HOST, THREADS = 64, 8, 8
FINAL_FAILURES = 2

Seen = SmartConfiguration | SmartError


def probe_due() -> bool:
    """Look at what is due, one batch; True when there may be more. Hosts side by side, one host's sources in turn."""
    sources = claim()
    by_host = defaultdict(list)
    for source in sources:
        by_host[_host(source)].append(source)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="probe") as threads:
        for seen in threads.map(_look_at_all, by_host.values()):
            for source, found in seen:
                settle(source, found)
    return bool(sources)


@transaction.atomic
def claim() -> list[Source]:
    """Take the longest due, a few a host; the others wait a little."""
    now, share, chosen, others = timezone.now(), Counter(), [], []
    due = Source.objects.probes_due(now).select_for_update(skip_locked=True).order_by("probe_due_at")
    for source in due.defer("locations", "aliases")[: BATCH * 4]:
        host = _host(source)
        share[host] += 1
        if share[host] <= PER_HOST and len(chosen) < BATCH:
            chosen.append(source)
        elif share[host] > PER_HOST:
            others.append(source.pk)
    Source.objects.filter(pk__in=[source.pk for source in chosen]).update(probe_due_at=now + LEASE)
    Source.objects.filter(pk__in=others).update(probe_due_at=now + timedelta(seconds=random.uniform(20, 120)))
    return chosen


def probe(source: Source) -> Diagnosis | None:
    """Look at one source now, and mark it; what is wrong, if anything. Calls the portal: not in a transaction."""
    return settle(source, _look(source))


def _host(source: Source) -> str:
    return urlsplit(source.fhir_base_url).netloc


def _look_at_all(sources: list[Source]) -> list[tuple[Source, Seen]]:
    return [(source, _look(source)) for source in sources]


def _look(source: Source) -> Seen:
    """Touches no database. Whatever the portal does, it is an answer."""
    try:
        return discover(source.fhir_base_url)
    except SmartError as error:
        return error
    except Exception as error:  # noqa: BLE001 (a portal's odd document must not stop the others' probes)
        log.error("probe.surprise", source_id=source.pk, error=type(error).__name__)
        return PortalUnavailable("internal_error")


def settle(source: Source, seen: Seen) -> Diagnosis | None:
    """Mark the source by what was seen, and by what its preflight says. The pause of a paused one stays."""
    found = judged(source, seen)
    has_failed = isinstance(seen, SmartError)
    failures = source.probe_failures + 1 if has_failed else 0
    stand(source, found, failures=failures, probe_due_at=timezone.now() + _wait(failures))
    return found


def judged(source: Source, seen: Seen) -> Diagnosis | None:
    """What is wrong by the discovery document alone; a readable one is kept."""
    if isinstance(seen, SmartError):
        return diagnoses.diagnosis(diagnoses.of_error(seen))
    source.remember_configuration(seen.to_dict())
    if seen.refusal:
        return diagnoses.diagnosis(seen.refusal)
    return diagnoses.diagnosis("endpoints_moved" if have_moved(source, seen) else "")


def have_moved(source: Source, seen: SmartConfiguration) -> bool:
    """Whether the endpoints left the host that active connections are pinned to."""
    pinned = Connection.objects.filter(source=source, status=Connection.Status.ACTIVE).values_list("configuration")
    last = pinned.order_by("-pk").first()
    before = SmartConfiguration.from_dict({"fhir_base_url": source.fhir_base_url} | last[0]) if last else None
    return bool(before and {"authorization_endpoint", "token_endpoint"} & set(seen.moved_from(before)))


def stand(source: Source, found: Diagnosis | None, *, failures: int, probe_due_at) -> None:
    """Write the source's status: what was found now, else what its last preflight found."""
    if source.is_paused:
        status, reason = source.status, source.status_reason
    else:
        found = found or _of_preflight(source)
        status = found.status if found else Source.Status.AVAILABLE
        reason = found.text if found else ""
        if 0 < failures < FINAL_FAILURES:
            status = Source.Status.DEGRADED
    if status != source.status:
        log.info("portal.status_changed", source_id=source.pk, status=str(status))
    source.mark(status, reason, failures=failures, probe_due_at=probe_due_at)


def _of_preflight(source: Source) -> Diagnosis | None:
    """The worst that preflight knows of the registrations that everybody uses here."""
    slugs = Preflight.objects.failing().filter(source=source, registration__organization=None)
    found = [diagnoses.diagnosis(slug) for slug in slugs.values_list("diagnosis", flat=True)]
    return min(filter(None, found), key=lambda each: each.status != Source.Status.UNAVAILABLE, default=None)


def _wait(failures: int) -> timedelta:
    if not failures:
        return EVERY * random.uniform(0.8, 1.2)
    return min(AFTER_FAILURE * 2 ** min(failures - 1, 10), LONGEST_AFTER_FAILURE) * random.uniform(0.8, 1.2)
