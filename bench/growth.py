"""Growth: what the hot statements read, in database pages, with few rows and with many.

Pages touched are counted by EXPLAIN (ANALYZE, BUFFERS), so the figure does not depend on how busy the machine is; a plan
that walks a whole table fails whatever it costs.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from bench import world
from bench.report import Figure
from bench.seeding import bulk_loading, multiply
from connect.audit.actions import SYSTEM, entry
from connect.audit.models import Entry
from connect.organizations.models import Patient
from patientflows.models import PatientFlow
from portals.models import Connection
from pulls.models import Pull, Record
from webhooks.actions import create_endpoint
from webhooks.models import Endpoint, Event

MOST_GROWTH = 1.2
# An index of a hundred times the rows is a level or two deeper: that many pages more for each lookup are no growth.
DEEPER_PAGES = 8
DUE = 50


@dataclass(frozen=True)
class Hot:
    """A statement of a hot path."""

    name: str
    rows: Callable


def measure(quick: bool) -> list[Figure]:
    """Every hot statement at the smaller and the larger size."""
    small, large = (200, 2_000) if quick else (1_000, 1_000_000)
    tenant, _ = world.organization()
    at = world.source("https://growth.example.org/fhir")
    statements = hot_statements(tenant)
    grow(tenant, at, 0, small)
    before = {hot.name: look(hot.rows()) for hot in statements}
    grow(tenant, at, small, large)
    after = {hot.name: look(hot.rows()) for hot in statements}
    return [figure(name, before[name], after[name], small, large) for name in before]


def figure(name: str, before: dict, after: dict, small: int, large: int) -> Figure:
    grown = after["pages"] / max(1, before["pages"])
    is_flat = grown <= MOST_GROWTH or after["pages"] - before["pages"] <= DEEPER_PAGES
    scanned = f", walks {after['walks']}" if after["walks"] else ""
    return Figure(
        f"growth: {name}", f"{after['pages']} pages at {large:,}{scanned}", f"{before['pages']} pages at {small:,}",
        round(grown, 2), f"≤ {MOST_GROWTH} and by index", is_flat and not after["walks"],
    )  # fmt: skip


def hot_statements(tenant) -> list[Hot]:
    """What runs for every request, delivery, refresh and pull."""
    now = timezone.now()
    return [
        Hot("a patient by patient_id", lambda: Patient.objects.of(tenant).filter(patient_id="grow-10")),
        Hot("patients, first page", lambda: Patient.objects.of(tenant).order_by("-pk")[:11]),
        Hot("refreshes due", lambda: Connection.objects.due(now).order_by("refresh_due_at")[:DUE]),
        Hot("connections, first page", lambda: Connection.objects.of(tenant).order_by("-pk")[:11]),
        Hot("records, a page in the middle", middle_of_records),
        Hot("events due", lambda: Event.objects.filter(endpoint=endpoint_of(tenant)).due(now).order_by("next_attempt_at")[:20]),
        Hot("events, first page", lambda: Event.objects.of(tenant).order_by("-pk")[:11]),
        Hot("pulls due", lambda: Pull.objects.filter(status__in=Pull.OPEN, due_at__lte=now).order_by("due_at")[:20]),
        Hot("audit entries to chain", lambda: Entry.objects.filter(position=None).order_by("pk")[:20]),
        Hot("audit chain's head", lambda: Entry.objects.filter(position__isnull=False).order_by("-position")[:1]),
        Hot("flows of a patient", lambda: PatientFlow.objects.filter(patient="pat_grow_" + "0" * 12).order_by("-pk")[:11]),
        Hot("flows to expire", lambda: PatientFlow.objects.filter(status="open", expires_at__lte=now).order_by("expires_at")[:20]),
    ]  # fmt: skip


def middle_of_records():
    largest = Record.objects.order_by("-position").first()
    return Record.objects.filter(patient_id=largest.patient_id, position__gt=largest.position // 2).order_by(
        "position"
    )[:101]


def endpoint_of(tenant) -> Endpoint:
    return Endpoint.objects.of(tenant).first()


def look(rows) -> dict:
    """Pages touched by the statement, and the tables it walks from end to end."""
    with connection.cursor() as cursor:
        sql, parameters = rows.query.sql_with_params()
        cursor.execute("SET enable_seqscan = on")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", parameters)
        [(found,)] = cursor.fetchall()
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    pages = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    return {"pages": pages, "walks": list(walked(plan))}


def walked(plan: dict):
    """Tables that a plan reads whole."""
    if plan["Node Type"] == "Seq Scan" and plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0) > 1000:
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from walked(part)


def grow(tenant, at, start: int, end: int) -> None:
    """Rows `start` to `end` of each kind; those that are due stay as many as they were."""
    owner = {"organization_id": tenant.organization_id, "environment": tenant.environment}
    endpoint = endpoint_of(tenant) or create_endpoint(
        tenant=tenant, url="https://growth.example.org/hook", events=["*"], api_version="2026-04-25", by=SYSTEM
    )
    rows = kinds(owner, at, endpoint)
    with bulk_loading(*[type(like) for like, _ in rows]):
        for like, of_number in rows:
            multiply(like, start, end, **of_number)
    world.analyze()


def numbered(prefix: str) -> str:
    """SQL of the id of row `n`; ids sort by age."""
    return f"'{prefix}_grow_' || lpad(n::text, 12, '0')"


def kinds(owner: dict, at, endpoint: Endpoint) -> list[tuple]:
    """A row of each kind, and SQL of what differs in row `n`. Each patient has one of each, but for records: the first
    patient has them all."""
    patient, connection, first = numbered("pat"), numbered("conn"), {"patient_id": "pat_grow_" + "0" * 12}
    due = f"now() + CASE WHEN n < {DUE} THEN interval '-1 minute' ELSE interval '1 day' END"
    flow = PatientFlow(**owner, **first, return_url="https://a.example", expires_at=timezone.now())
    flow.token = "t"
    record = Record(
        **first, connection_id="conn_grow_" + "0" * 12, source_id=at.pk, resource_type="Observation", digest=b"d" * 32,
        body=b"b" * 300, pull_id="pull_1",
    )  # fmt: skip
    event = Event(**owner, endpoint=endpoint, type="connection.active", data={}, api_version="2026-04-25")
    return [
        (Patient(**owner), {"id": patient, "patient_id": "'grow-' || n"}),
        (Connection(**owner, source=at, registration=at.registrations.get()),
         {"id": connection, "patient": patient, "fhir_patient_id": patient, "refresh_due_at": due}),
        (Pull(**owner), {"id": numbered("pull"), "patient": patient, "connection": connection, "due_at": due,
                         "status": f"CASE WHEN n < {DUE} THEN 'queued' ELSE 'completed' END"}),
        (flow, {"id": numbered("pf"), "patient": patient, "token_hash": "lpad(to_hex(n), 64, '0')", "expires_at": due}),
        (record, {"resource_id": "n::text", "position": "n + 1"}),
        (event, {"id": numbered("evt"), "sequence": "n + 1",
                 "status": f"CASE WHEN n < {DUE} THEN 'pending' ELSE 'delivered' END",
                 "next_attempt_at": f"CASE WHEN n < {DUE} THEN now() - interval '1 minute' END"}),
        (entry(action="patient_flow.created", by=SYSTEM, object_type="patient_flow"),
         {"object_id": numbered("pf"), "position": f"CASE WHEN n >= {DUE} THEN n END"}),
    ]  # fmt: skip
