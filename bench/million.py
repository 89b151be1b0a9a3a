"""A database as it is after a busy month: a million flows, ten million events, and the rest in proportion."""

from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bench import world
from bench.filling import WithoutIndexes, fill, spread, ulid
from connect import ids
from connect.audit.actions import SYSTEM
from connect.audit.models import Entry
from connect.operations.models import ClosedHour
from connect.operations.tallies import close_hours, start_of_hour
from connect.organizations.models import Organization, Patient
from patientflows.models import Attempt, PatientFlow, Step
from portals.models import Connection, Registration, Revocation, Source
from pulls.models import Pull, Record, Search
from webhooks.actions import create_endpoint
from webhooks.models import Delivery, Endpoint, Event

ORGANIZATIONS = 20
ENVIRONMENTS = ("production", "production", "production", "sandbox")
SOURCES = 2_000
DAYS = 31
STEPS = ("link_opened", "searched", "source_chosen", "sent_to_portal", "came_back", "connected", "done")
BIG = (Patient, PatientFlow, Attempt, Step, Connection, Revocation, Pull, Search, Record, Event, Delivery, Entry)
TYPES = "(ARRAY['records.sync.completed','patient_flow.completed','connection.active','connection.expired'])[1 + i % 4]"


def seed(flows: int) -> None:
    """Everything for so many flows, ending now; nothing where there are flows already."""
    if PatientFlow.objects.exists():
        return
    _owners()
    with WithoutIndexes(*BIG):
        _story(flows)
        _webhooks(flows * 10)
        _log(flows * 3)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM (ANALYZE)")
        _tally(cursor)
        cursor.execute("VACUUM (ANALYZE) operations_tally")
        cursor.execute("RESET statement_timeout")


def _tally(cursor) -> None:
    """The last day's hours as the product counts them; the days before are like it."""
    today = start_of_hour(timezone.now())
    before = [today - timedelta(hours=back) for back in range(25, DAYS * 24)]
    ClosedHour.objects.bulk_create([ClosedHour(at=at) for at in before], ignore_conflicts=True)
    while close_hours():
        pass
    columns = "measure, organization_id, environment, source_id, outcome"
    counted = "grain = 'hour' AND at > now() - interval '25 hours'"
    cursor.execute(
        f"INSERT INTO operations_tally (grain, at, {columns}, count, milliseconds) "
        f"SELECT 'hour', at - back * interval '1 day', {columns}, count, milliseconds "
        f"FROM operations_tally, generate_series(1, 8) AS back WHERE {counted} ON CONFLICT DO NOTHING"
    )
    cursor.execute(
        f"WITH a_day AS MATERIALIZED (SELECT {columns}, sum(count) AS n, sum(milliseconds) AS ms FROM operations_tally "
        f"WHERE {counted} GROUP BY {columns}) "
        f"INSERT INTO operations_tally (grain, at, {columns}, count, milliseconds) "
        f"SELECT 'day', date_trunc('day', now()) - back * interval '1 day', {columns}, n, ms "
        f"FROM a_day, generate_series(1, {DAYS}) AS back ON CONFLICT DO NOTHING"
    )


def _owners() -> None:
    """Organisations, their endpoints, portals and our registrations there."""
    for number in range(ORGANIZATIONS):
        tenant, _ = world.organization()
        for environment in sorted(set(ENVIRONMENTS)):
            owner = type(tenant)(tenant.organization_id, environment)
            url = f"https://hooks.example.org/{number}/{environment}"
            create_endpoint(tenant=owner, url=url, events=["*"], api_version=settings.API_VERSION, by=SYSTEM)
    for environment in sorted(set(ENVIRONMENTS)):
        bases = [f"https://fhir.portal-{number}.example/r4" for number in range(SOURCES)]
        Source.objects.bulk_create(
            Source(id=ids.source_id(environment, base), environment=environment, fhir_base_url=base, vendor="epic",
                   name=f"General Hospital {number}")
            for number, base in enumerate(bases)
        )  # fmt: skip
        Registration.objects.create(environment=environment, vendor="epic", client_id="connect")
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_owner, bench_source")
        cursor.execute("CREATE UNLOGGED TABLE bench_owner (n int PRIMARY KEY, organization text, environment text, "
                       "endpoint text, registration text)")  # fmt: skip
        cursor.execute(
            "CREATE UNLOGGED TABLE bench_source (n int, environment text, id text, PRIMARY KEY (environment, n))"
        )
        organizations = list(Organization.objects.order_by("pk").values_list("pk", flat=True))
        endpoints = {(row.organization_id, row.environment): row.pk for row in Endpoint.objects.all()}
        registrations = dict(Registration.objects.values_list("environment", "pk"))
        owners = [(n, organization, environment, endpoints[organization, environment], registrations[environment])
                  for n, (organization, environment) in enumerate((o, e) for o in organizations for e in ENVIRONMENTS)]  # fmt: skip
        cursor.executemany("INSERT INTO bench_owner VALUES (%s, %s, %s, %s, %s)", owners)
        cursor.execute("INSERT INTO bench_source SELECT row_number() OVER (PARTITION BY environment ORDER BY id) - 1, "
                       "environment, id FROM portals_source")  # fmt: skip


def _owner(column: str, n: str) -> str:
    """Of the `n`-th patient: some organisations are much larger than others."""
    place = f"floor({ORGANIZATIONS * len(ENVIRONMENTS)} * power((({n}) * 7919 % 10007) / 10007.0, 2))::int"
    return f"(SELECT {column} FROM bench_owner WHERE n = {place})"


def _source(n: str, patient: str) -> str:
    place = f"floor({SOURCES} * power((({n}) * 104729 % 10007) / 10007.0, 2))::int"
    environment = _owner("environment", patient)
    return f"(SELECT id FROM bench_source WHERE environment = {environment} AND n = {place})"


def _tenant(patient: str) -> dict[str, str]:
    return {"organization_id": _owner("organization", patient), "environment": _owner("environment", patient)}


def _story(flows: int) -> None:
    """Patients, flows, attempts, connections, pulls and records, from the top of the story down."""
    patients, connections, pulls, records = flows // 2, flows * 6 // 10, flows * 18 // 10, flows * 3
    patient_of = {"flow": f"(i % {patients})", "connection": f"(i % {patients})"}

    def patient(n: str) -> str:
        return ulid("pat", patients, n)

    def flow(n: str) -> str:
        return ulid("pf", flows, n)

    def connected(n: str) -> str:
        return ulid("conn", connections, n)

    fill(Patient, patients, id=patient("i"), patient_id="'mrn-' || i", email="'p' || i || '@patients.example'",
         created_at=spread(patients), **_tenant("i"))  # fmt: skip
    owner = patient_of["flow"]
    status = f"CASE WHEN i > {flows} - 2000 THEN 'open' WHEN i % 5 = 0 THEN 'expired' ELSE 'complete' END"
    fill(PatientFlow, flows, id=flow("i"), patient_id=patient(owner), status=status, token_hash="md5(i::text)",
         return_url="'https://app.example/back'", expires_at=f"{spread(flows)} + interval '30 minutes'",
         opened_at=spread(flows), created_at=spread(flows), updated_at=spread(flows), **_tenant(owner))  # fmt: skip
    ended = "CASE WHEN i % 10 = 0 THEN 'failed' WHEN i % 17 = 0 THEN 'expired' ELSE 'connected' END"
    why = "CASE WHEN i % 10 = 0 THEN 'user_denied' WHEN i % 17 = 0 THEN 'authorization_abandoned' END"
    fill(Attempt, flows, id=ulid("att", flows), flow_id=flow("i"), source_id=_source("i", owner), status=ended,
         failure_code=why, state_hash="md5(i::text)", browser_hash="'b'", expires_at=spread(flows), created_at=spread(flows),
         returned_at=spread(flows), settled_at=spread(flows), registration_id=_owner("registration", owner))  # fmt: skip
    step, of = f"(i % {len(STEPS)})", f"(i / {len(STEPS)})"
    fill(Step, flows * len(STEPS), flow_id=flow(of), kind=f"(ARRAY{list(STEPS)!r})[1 + {step}]", at=spread(flows, of),
         source_id=f"CASE WHEN {step} > 1 THEN {_source(of, f'({of} % {patients})')} END")  # fmt: skip
    owner = patient_of["connection"]
    lost = "i % 50 = 0"
    fill(Connection, connections, id=connected("i"), patient_id=patient(owner), source_id=_source("i", owner),
         registration_id=_owner("registration", owner), fhir_patient_id="i::text", failure_code=f"CASE WHEN {lost} THEN "
         "'refresh_rejected' END", failure_at=f"CASE WHEN {lost} THEN {spread(connections)} END",
         status=f"CASE WHEN {lost} THEN 'refresh_failed' ELSE 'active' END", refresh_due_at="now() + interval '40 minutes'",
         renewable="true", next_pull_at="now() + interval '1 hour'", created_at=spread(connections),
         last_pulled_at=spread(connections), patient_flow_id=flow("i"), **_tenant(owner))  # fmt: skip
    fill(Revocation, connections // 20, id=ulid("rev", connections // 20), connection_id=connected("i * 20"),
         source_id=_source("i", f"(i * 20 % {patients})"), registration_id=_owner("registration", f"(i * 20 % {patients})"),
         settled_at=spread(connections // 20))  # fmt: skip
    of = f"(i % {connections})"
    owner = f"({of} % {patients})"
    ended = (f"CASE WHEN i > {pulls} - 200 THEN 'queued' WHEN i % 50 = 0 THEN 'failed' WHEN i % 20 = 1 THEN 'partial' "
             "ELSE 'completed' END")  # fmt: skip
    over = f"CASE WHEN i <= {pulls} - 200 THEN {spread(pulls)} + interval '20 seconds' END"
    fill(Pull, pulls, id=ulid("pull", pulls), connection_id=connected(of), patient_id=patient(owner), status=ended,
         trigger=f"CASE WHEN i < {connections} THEN 'connected' ELSE 'schedule' END", due_at=spread(pulls),
         error="CASE WHEN i % 50 = 0 THEN 'portal_unavailable' ELSE '' END", total="i % 900", started_at=spread(pulls),
         first_record_at=over, finished_at=over, created_at=spread(pulls), **_tenant(owner))  # fmt: skip
    newest = pulls // 10
    number = f"({pulls} - 1 - i / 12)"
    fill(Search, newest * 12, pull_id=ulid("pull", pulls, number), resource_type="'Type' || (i % 12)",
         order="i % 12", status="'done'", pages="2", fetched="120", stored="3", unchanged="117")  # fmt: skip
    owner = f"(i % {patients})"
    fill(Record, records, patient_id=patient(owner), connection_id=connected(owner), source_id=_source(owner, owner),
         resource_type="(ARRAY['Observation','Condition','Encounter'])[1 + i % 3]", resource_id="i::text",
         position=f"i / {patients} + 1", digest="'\\x00'", body="repeat('x', 300)::bytea", size="900",
         pull_id=ulid("pull", pulls, owner), landed_at=spread(records))  # fmt: skip


def _webhooks(events: int) -> None:
    """A delivered event each, but for the newest, the exhausted and the held; an attempt each."""
    patients = events // 20
    owner = f"(i % {patients})"
    waits = f"i > {events} - 3000"
    status = f"CASE WHEN {waits} THEN 'pending' WHEN i % 200 = 0 THEN 'exhausted' WHEN i % 501 = 0 THEN 'held' ELSE 'delivered' END"
    event = ulid("evt", events)
    fill(Event, events, id=event, endpoint_id=_owner("endpoint", owner), type=TYPES, patient_id=f"'mrn-' || {owner}",
         data="""jsonb_build_object('resource_type','records_sync','patient_id','mrn-' || i,'total',i % 90,'errors',0)""",
         api_version=f"'{settings.API_VERSION}'", sequence="i + 1", status=status, attempts="1",
         next_attempt_at=f"CASE WHEN {waits} THEN now() + interval '1 minute' END",
         delivered_at=f"CASE WHEN ({status}) = 'delivered' THEN {spread(events)} END", last_status_code="200",
         created_at=spread(events), **_tenant(owner))  # fmt: skip
    fill(Delivery, events, event_id=event, number="1", started_at=spread(events), duration_ms="20 + i % 700",
         status_code="CASE WHEN i % 30 = 0 THEN 500 ELSE 200 END", error="CASE WHEN i % 30 = 0 THEN 'http_500' ELSE '' END")  # fmt: skip


def _log(entries: int) -> None:
    patients = entries // 6
    owner = f"(i % {patients})"
    fill(Entry, entries, at=spread(entries), action="(ARRAY['patient_flow.created','pull.queued','connection.granted',"
         "'staff.signed_in'])[1 + i % 4]", actor_kind="(ARRAY['api_key','system','patient','staff'])[1 + i % 4]",
         actor="'who-' || (i % 500)", object_type="'patient_flow'", object_id=ulid("pf", entries // 3, "(i / 3)"),
         request_id="md5(i::text)::uuid::text", position="i + 1", previous_hash="md5(i::text)", hash="md5((i + 1)::text)",
         **_tenant(owner))  # fmt: skip
