"""The disk is full: what was asked for did not happen, says so, and happens once there is room."""

import pytest
from django.db import connection

from connect.operations.verify import verify
from connect.organizations.models import Patient
from tests.factories import ApiClient, make_key, make_organization
from tests.world import make_world
from webhooks.models import Event

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite can be told how large it may grow")


def pragma(name: str, value: int | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name} = {value}")
        return cursor.fetchone()[0]


@pytest.fixture
def full_disk(transactional_db):
    """Call it to let the database grow no more; call it with False to make room."""
    usual = pragma("max_page_count")

    def fill(is_full: bool = True) -> None:
        pragma("max_page_count", pragma("page_count") if is_full else usual)

    yield fill
    fill(False)


def test_nothing_is_half_done_and_the_repeated_request_succeeds(full_disk):
    organization = make_organization()
    world = make_world(organization)
    api = ApiClient(make_key(organization))
    api.raise_request_exception = False
    before = Event.objects.count()
    full_disk()
    body = {"metadata": {"note": "x" * 12_000}}
    refused = [
        api.create("/patients", {**body, "patient_id": f"full-{n}"}, **{"Idempotency-Key": str(n)}) for n in range(5)
    ]
    failed = [answer for answer in refused if answer.status_code != 200]
    assert failed, "the disk was not full"
    assert {answer.status_code for answer in failed} == {500}
    assert {answer.json()["error"]["code"] for answer in failed} == {"internal_error"}
    assert Patient.objects.count() == 1 + len(refused) - len(failed)

    full_disk(False)
    again = [
        api.create("/patients", {**body, "patient_id": f"full-{n}"}, **{"Idempotency-Key": str(n)}) for n in range(5)
    ]
    assert {answer.status_code for answer in again} == {200}, [answer.content for answer in again]
    assert Patient.objects.count() == 6
    assert Event.objects.count() == before
    checks = ["tenancy", "sealed", "records-open", "positions", "no-gaps", "changes-are-told"]
    assert [finding.check for finding in verify(checks) if not finding.ok] == []
    assert world.api.get("/patients/p-1").status_code == 200
