"""Ten thousand refreshes due at once, against a bare loop of token POSTs of the same concurrency."""

import threading
import time
from datetime import timedelta

import requests
from django.conf import settings
from django.utils import timezone

from bench import world
from bench.portal import portal
from bench.report import Figure, rate
from portals import sweep
from portals.models import Connection


def measure(quick: bool) -> list[Figure]:
    """Refreshes a second of one process; none is sent twice (every token moves by exactly one version)."""
    count = 60 if quick else 10_000
    with portal({"Observation": 0}) as first, portal({"Observation": 0}) as second:
        sources = [world.source(f"{root}/{n}/fhir") for n in range(4) for root in (first, second)]
        tenant, _ = world.organization()
        world.connections(tenant, sources, count)
        mine = Connection.objects.of(tenant)
        mine.update(refresh_due_at=timezone.now() - timedelta(seconds=1))
        world.analyze()
        bare = bare_loop(f"{first}/token", count, settings.REFRESH_THREADS)
        began = time.perf_counter()
        sweep.refresh_due(round_seconds=600)
        seconds = time.perf_counter() - began
        versions = set(mine.values_list("token_version", flat=True))
    if versions != {2}:
        raise AssertionError(f"each is to be refreshed once: token versions {sorted(versions)}")
    return [rate(f"refresh of {count:,} due at once", count / seconds, bare, "refreshes/s", 0.6)]


def bare_loop(url: str, count: int, threads: int) -> float:
    """Token POSTs a second of a loop that does nothing else."""
    form = {"grant_type": "refresh_token", "refresh_token": "rt", "client_id": "bench"}

    def post(times: int) -> None:
        session = requests.Session()
        for _ in range(times):
            session.post(url, data=form, timeout=30).json()

    workers = [threading.Thread(target=post, args=(count // threads,)) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count // threads * threads / (time.perf_counter() - began)
