"""Lists (contract 1.1): 100,000 patients, inserts while paging: nothing twice, nothing missed, as fast at any depth."""

import itertools
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connect.organizations.models import Patient
from connect.pagination import issue_cursor, newest_first
from tests.factories import ApiClient, make_key, make_organization

pytestmark = pytest.mark.django_db
PATIENTS = 100_000


def add_patients(tenant, count: int, prefix: str) -> None:
    rows = [
        Patient(
            organization_id=tenant.organization_id, environment=tenant.environment, patient_id=f"{prefix}-{n}",
            email=f"{n % 1000}@example.org",
        )
        for n in range(count)
    ]  # fmt: skip
    Patient.objects.bulk_create(rows, batch_size=5000)


def pages(client, path: str, **query):
    while True:
        page = client.get(path, query).json()
        yield page
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            return
        query["starting_after"] = cursor


def test_a_hundred_thousand_patients_while_others_are_added(api, tenant):
    """The walk is the lists' own function without HTTP, a thousand a page, so that it takes seconds."""
    add_patients(tenant, PATIENTS, "p")
    rows = Patient.objects.of(tenant).only("patient_id")
    seen, cursor = [], None
    for number in itertools.count():
        page, cursor = newest_first(rows, limit=1000, starting_after=cursor, filters={})
        seen += [patient.patient_id for patient in page]
        if cursor is None:
            break
        add_patients(tenant, 3, f"late-{number}")
    assert len(seen) == len(set(seen)) == PATIENTS, "nothing twice, nothing missed"
    assert seen == [f"p-{n}" for n in range(PATIENTS - 1, -1, -1)], "newest first; what came later is on no later page"

    oldest = Patient.objects.of(tenant).order_by("pk")[:1000][999].pk
    near_the_end = issue_cursor(oldest, {"rows of": "Patient"})
    first = list(itertools.islice(timed(pages(api, "/patients", limit=100)), 10))
    last = list(timed(pages(api, "/patients", limit=100, starting_after=near_the_end)))
    assert last[-1][1]["data"][-1]["id"] == "p-0"
    assert sorted(s for s, _ in last)[5] < sorted(s for s, _ in first)[5] * 3 + 0.01, (
        "the last page as fast as the first"
    )


def timed(generator):
    """Each item with the seconds it took."""
    while True:
        started = time.perf_counter()
        item = next(generator, None)
        if item is None:
            return
        yield time.perf_counter() - started, item


def test_a_page_is_found_by_index_at_any_depth(api, tenant):
    add_patients(tenant, 300, "p")
    page = api.get("/patients?limit=100").json()
    with CaptureQueriesContext(connection) as queries:
        api.get("/patients", {"limit": 100, "starting_after": page["next_cursor"]})
    [select] = [query["sql"] for query in queries if 'FROM "organizations_patient"' in query["sql"]]
    assert "OFFSET" not in select
    assert "COUNT(" not in select
    assert "LIMIT 101" in select


def test_filters_hold_over_pages(api, tenant):
    add_patients(tenant, 3000, "p")
    found = [
        patient["id"] for page in pages(api, "/patients", email="7@example.org", limit=1) for patient in page["data"]
    ]
    assert found == ["p-2007", "p-1007", "p-7"]


def test_the_default_is_ten_and_limits_are_kept(api, tenant):
    add_patients(tenant, 12, "p")
    assert len(api.get("/patients").json()["data"]) == 10
    for limit in (0, 101, -1, "ten", "1.5", ""):
        answer = api.get("/patients", {"limit": limit})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit"), limit
        assert "1 to 100" in answer.json()["error"]["message"]


def test_a_cursor_belongs_to_its_list_and_filters(api, tenant):
    add_patients(tenant, 12, "p")
    cursor = api.get("/patients?limit=5").json()["next_cursor"]
    for path in (
        "/patients?email=x",
        "/webhooks?",
        "/events?",
        "/pulls?",
        "/patient-flows?",
        "/connections?",
        "/exports?",
    ):
        answer = api.get(f"{path}&starting_after={cursor}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after"), path
    for damaged in ("nonsense", cursor[:-1], cursor + "x", cursor.swapcase()):
        answer = api.get("/patients", {"starting_after": damaged})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "starting_after")
    assert len(api.get("/patients", {"starting_after": cursor, "limit": 100}).json()["data"]) == 7, (
        "another limit is fine"
    )


def test_an_empty_list_has_the_whole_envelope(api):
    for path in ("/patients", "/patient-flows", "/webhooks", "/events", "/pulls", "/exports", "/export-destinations"):
        empty = {"resource_type": "list", "data": [], "has_more": False, "next_cursor": None}
        assert api.get(path).json() == empty, path


def test_a_cursor_shows_nobody_elses(api, tenant):
    add_patients(tenant, 3, "p")
    cursor = api.get("/patients?limit=1").json()["next_cursor"]
    other = ApiClient(make_key(make_organization("Other")))
    assert other.get("/patients", {"starting_after": cursor}).json()["data"] == []


def test_every_list_asks_the_same_number_of_queries_whatever_it_holds(api, world):
    """One more row must not be one more query."""
    for path in ("/patients", "/patient-flows", "/webhooks", "/events", "/pulls", "/exports", "/connections"):
        with CaptureQueriesContext(connection) as queries:
            assert world.get(path).json()["data"], path
        assert len(queries) <= 6, (path, [query["sql"] for query in queries])
