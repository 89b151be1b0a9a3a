"""Pulls and exports at size: resources a second a core, peak memory, what a second pull writes.

    [DATABASE_URL=postgres://…] python bench/size.py [--resources 100000] [--pages-from-memory] [--json FILE] [--profile]

The portal is the sandbox's huge history in a process of its own. `--pages-from-memory` leaves HTTP out: the same pages
are read and stored from memory, which is what this side costs alone. It works in a database of its own (SQLite in a
temporary folder unless DATABASE_URL is set; that one must be migrated) and deletes what it made.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(tempfile.mkdtemp(prefix="connect-bench-"))
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connect.settings")
os.environ.setdefault("DATA_DIR", str(FOLDER))
os.environ.setdefault("OUTBOUND_ALLOW_INSECURE_HTTP", "1")
os.environ.setdefault("OUTBOUND_ALLOW_PRIVATE", "1")
os.environ.setdefault("LOG_LEVEL", "ERROR")
os.environ.setdefault("BROKER_URL", "memory://")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from connect import ids  # noqa: E402
from connect.audit.actions import SYSTEM  # noqa: E402
from connect.organizations.models import Environment, Organization, Patient, Tenant  # noqa: E402
from portals.connections import grant  # noqa: E402
from portals.models import Registration, Source  # noqa: E402
from portals.sandbox.huge import observation  # noqa: E402
from portals.smart.tokens import TokenResponse  # noqa: E402
from pulls.actions import queue_pull  # noqa: E402
from pulls.calls import Answer, Verdict  # noqa: E402
from pulls.claims import claim  # noqa: E402
from pulls.earlier import EarlierPages  # noqa: E402
from pulls.exports.actions import create_destination  # noqa: E402
from pulls.exports.models import Export  # noqa: E402
from pulls.exports.run import run_export  # noqa: E402
from pulls.fhir.pages import read_page  # noqa: E402
from pulls.models import Pull, Record, Search  # noqa: E402
from pulls.read import Selection, stream  # noqa: E402
from pulls.run import run_pull  # noqa: E402
from pulls.searching import SearchTarget  # noqa: E402
from pulls.store import Store  # noqa: E402
from pulls.targets import Fetched  # noqa: E402
from tests.pulls import visitor  # noqa: E402
from tests.pulls.sandbox_server import Sandbox  # noqa: E402

PAGE = 100


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(figures: dict, name: str, count):
    """Wall and CPU seconds of a step, and resources a second of this process's own CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    number = count()
    figures[name] = {
        "resources": number, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2),
        "per_second": round(number / wall), "per_cpu_second": round(number / cpu), "peak_mb": round(peak_mb()),
    }  # fmt: skip
    print(name, json.dumps(figures[name]), flush=True)


def connection_to(base: str, tokens: TokenResponse, configuration: dict):
    organization, _ = Organization.objects.get_or_create(name="Bench", slug="bench")
    patient = Patient.objects.create(
        organization=organization, environment=Environment.SANDBOX, patient_id=ids.new_id("bench")
    )
    source, _ = Source.objects.get_or_create(
        id=ids.source_id(Environment.SANDBOX, base), environment=Environment.SANDBOX, fhir_base_url=base,
        defaults={"name": "Bench"},
    )  # fmt: skip
    app = Registration(environment=Environment.SANDBOX, source=source, client_id=visitor.CLIENT_ID,
                       method=Registration.Method.CLIENT_SECRET_BASIC)  # fmt: skip
    app.client_secret = visitor.CLIENT_SECRET
    app.save()
    connection, _ = grant(
        patient=patient, source=source, registration=app, tokens=tokens, configuration=configuration,
        scopes_asked=visitor.SCOPE, patient_flow_id=None,
    )  # fmt: skip
    return connection


def over_http(figures: dict, resources: int) -> Patient:
    """Two pulls of the huge history over HTTP."""
    sandbox = Sandbox(FOLDER, huge=resources)
    try:
        base = sandbox.fhir("huge-history")
        connection = connection_to(base, *visitor.say_yes(base))
        for name in ("first pull", "second pull"):
            pull = queue_pull(connection=connection, trigger=Pull.Trigger.MANUAL)
            with measured(figures, name, lambda: resources):
                run_pull(pull.pk)
            pull.refresh_from_db()
            figures[name] |= {"status": pull.status, "written": pull.total}
            assert pull.status == "completed", (pull.status, pull.error, pull.waiting_for)
    finally:
        sandbox.stop()
    return connection.patient


def pages_of(connection, resources: int, base: str) -> list[bytes]:
    patient = connection.fhir_patient_id
    pages = []
    for start in range(0, resources, PAGE):
        entries = b",".join(
            b'{"fullUrl":"x","resource":%s,"search":{"mode":"match"}}' % observation(patient, position).body
            for position in range(start, start + PAGE)
        )
        following = f"{base}/Observation?page={start + PAGE}"
        link = json.dumps([{"relation": "next", "url": following}] if start + PAGE < resources else [])
        head = f'{{"resourceType":"Bundle","type":"searchset","total":{resources},"link":{link},"entry":['
        pages.append(head.encode() + entries + b"]}")
    return pages


def from_memory(figures: dict, resources: int) -> Patient:
    """The same pages read and stored, twice, without HTTP."""
    base = "http://127.0.0.1:1/fhir"
    connection = connection_to(base, TokenResponse("a", 3600, visitor.SCOPE, "r", patient="pat-1"), {})
    pages = pages_of(connection, resources, base)
    for name in ("first pull, from memory", "second pull, from memory"):
        pull = claim(queue_pull(connection=connection, trigger=Pull.Trigger.MANUAL).pk)
        target = SearchTarget(pull, Search.objects.create(pull=pull, resource_type="Observation"), EarlierPages(pull))
        with measured(figures, name, lambda: resources):
            shelf = Store(pull)
            for page in pages:
                answer = Answer(Verdict.OK, 200, page, "application/fhir+json")
                shelf.keep([target.read(Fetched(target.url, answer, read_page(page)))])
        figures[name]["written"] = pull.total
        pull.move(Pull.Status.COMPLETED, finished_at=timezone.now())
    return connection.patient


def read_and_export(figures: dict, patient: Patient) -> None:
    total = Record.objects.filter(patient=patient).count()
    with measured(figures, "$export", lambda: total):
        size = sum(len(chunk) for chunk in stream(patient, Selection()))
    figures["$export"]["mb"] = round(size / 1e6)
    tenant = Tenant(patient.organization_id, patient.environment)
    destination = create_destination(
        tenant=tenant, name=ids.new_id("b"), kind="folder", settings={"folder": "bench"}, credentials={}, by=SYSTEM
    )
    with measured(figures, "export to a folder", lambda: total):
        run_export(Export.objects.get(destination=destination).pk)
    assert Export.objects.get(destination=destination).status == "completed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, default=100_000)
    parser.add_argument("--pages-from-memory", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--json", help="write the figures to this file")
    asked = parser.parse_args()
    if "DATABASE_URL" not in os.environ:
        call_command("migrate", verbosity=0)
    figures: dict = {}
    work = from_memory if asked.pages_from_memory else over_http
    profile = cProfile.Profile()
    if asked.profile:
        profile.enable()
    patient = work(figures, asked.resources)
    profile.disable()
    if asked.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
    read_and_export(figures, patient)
    figures["peak_mb"] = round(peak_mb())
    print(json.dumps(figures, indent=1))
    if asked.json:
        Path(asked.json).write_text(json.dumps(figures, indent=1))
    Organization.objects.filter(slug="bench").delete()


if __name__ == "__main__":
    main()
