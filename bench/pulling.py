"""Pulls: pages in → stored, sealed, readable, against a loop of `requests.get`, parse and COPY in the same run."""

import json
import time

import psycopg
import requests
from django.conf import settings

from bench import world
from bench.portal import TYPES, portal
from bench.report import Figure, rate
from pulls.actions import queue_pull
from pulls.models import Pull, Record
from pulls.run import run_pull

LATENCY_SECONDS = 0.1


def measure(quick: bool) -> list[Figure]:
    """Throughput, the second pull of the same, and a thousand resources through 100 ms of latency."""
    count = 500 if quick else 20_000
    figures = []
    with portal({"Observation": count}) as root:
        base = f"{root}/fhir"
        seconds_bare = sequential_loop(base, {"Observation": count}, copy=True)
        connection = new_connection(base, "throughput")
        first, seconds = pull(connection)
        stored = Record.objects.filter(connection=connection).count()
        assert stored == count + 1, f"{stored} of {count + 1} resources ({first.status})"
        seconds_bare = min(seconds_bare, sequential_loop(base, {"Observation": count}, copy=True))
        figures.append(
            rate("pull: pages in → stored, sealed, readable", count / seconds, count / seconds_bare, "resources/s", 0.6)
        )
        figures.append(second_pull(connection, first, seconds))
    return [*figures, *through_latency(quick)]


def second_pull(connection, first: Pull, seconds: float) -> Figure:
    before = list(
        Record.objects.filter(connection=connection).order_by("position").values_list("position", flat=True)[:5]
    )
    second, again = pull(connection)
    after = list(
        Record.objects.filter(connection=connection).order_by("position").values_list("position", flat=True)[:5]
    )
    share = again / seconds
    return Figure(
        "second pull, nothing changed", f"{again:.2f} s, {second.total} written", f"{seconds:.2f} s", round(share, 2),
        "≤ 0.3 of the first, no writes", share <= 0.3 and second.total == 0 and before == after,
    )  # fmt: skip


def through_latency(quick: bool) -> list[Figure]:
    """A thousand resources of fourteen types at a portal 100 ms away."""
    counts = dict.fromkeys(TYPES, 10 if quick else 72)
    total = sum(counts.values())
    with portal(counts, seconds=LATENCY_SECONDS) as root:
        base = f"{root}/fhir"
        bare = sequential_loop(base, counts, copy=False)
        connection = new_connection(base, "latency")
        done, seconds = pull(connection)
    first = (done.first_record_at - done.created_at).total_seconds()
    return [
        Figure(f"pull of {total:,} resources, 100 ms latency", f"{seconds:.1f} s", f"{bare:.1f} s", round(seconds / bare, 2),
               "< 10 s", seconds < 10),
        Figure("first record after the callback, 100 ms latency", f"{first:.2f} s", target="< 1 s", reached=first < 1),
    ]  # fmt: skip


def new_connection(base: str, name: str):
    tenant, _ = world.organization()
    owner = world.patient(tenant, name)
    owner.patient_id = "1"  # its FHIR id at this portal is pat-1
    return world.connection_of(owner, world.source(base))


def pull(connection) -> tuple[Pull, float]:
    """Run a pull as a worker does; seconds from being asked to being settled."""
    began = time.perf_counter()
    made = queue_pull(connection=connection, trigger=Pull.Trigger.MANUAL)
    run_pull(made.pk)
    seconds = time.perf_counter() - began
    return Pull.objects.get(pk=made.pk), seconds


def sequential_loop(base: str, counts: dict[str, int], *, copy: bool) -> float:
    """The baseline: get, parse, COPY into a plain table, page after page; seconds."""
    url = settings.DATABASES["default"]
    session = requests.Session()
    dsn = psycopg.conninfo.make_conninfo(
        host=url["HOST"], port=url["PORT"], user=url["USER"], password=url["PASSWORD"], dbname=url["NAME"]
    )
    with psycopg.connect(dsn) as database:
        database.execute("CREATE TABLE bare (type text, id text, body jsonb)")
        database.commit()
        began = time.perf_counter()
        for name in counts:
            next_url = f"{base}/{name}?patient=pat-1"
            while next_url:
                bundle = json.loads(session.get(next_url, headers={"Authorization": "Bearer at"}, timeout=30).content)
                if copy:
                    _copy(database, name, bundle)
                next_url = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
        seconds = time.perf_counter() - began
        database.execute("DROP TABLE bare")
    return seconds


def _copy(database, name: str, bundle: dict) -> None:
    with database.cursor().copy("COPY bare FROM STDIN") as rows:
        for entry in bundle.get("entry", []):
            rows.write_row((name, entry["resource"]["id"], json.dumps(entry["resource"])))
    database.commit()
