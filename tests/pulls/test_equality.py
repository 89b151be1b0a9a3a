"""Every patient of ../shared/data/fhir, and the generated ones: what the API gives equals what the portal holds, byte for
byte of each JSON value; a second pull writes nothing."""

from pathlib import Path

import msgspec
import pytest

from pulls.fhir.identifiers import with_patient_identifier
from pulls.models import Record
from tests.pulls.conftest import make_patient
from tests.pulls.sandbox_server import Sandbox

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir"
pytestmark = pytest.mark.django_db


class Item(msgspec.Struct):
    source: str
    resource: msgspec.Raw


class Page(msgspec.Struct):
    data: list[Item]
    has_more: bool
    next_cursor: str | None


class Head(msgspec.Struct):
    resourceType: str
    id: str


def key_of(raw: bytes) -> str:
    head = msgspec.json.decode(raw, type=Head)
    return f"{head.resourceType}/{head.id}"


def given(api, patient_id: str) -> dict[str, bytes]:
    """`Type/id` → the text of the resource as the API sends it."""
    found, cursor = {}, {}
    while True:
        page = msgspec.json.decode(api.get(f"/patients/{patient_id}/records", cursor).content, type=Page)
        found |= {key_of(item.resource): bytes(item.resource) for item in page.data}
        if not page.has_more:
            return found
        cursor = {"starting_after": page.next_cursor}


def held(sandbox, slug: str, fhir_patient: str, patient_id: str) -> dict[str, bytes]:
    """The same of the portal's holdings, with the one change we make."""
    lines = {key_of(line): line for line in sandbox.holdings(slug, fhir_patient)}
    for key in [key for key in lines if key.startswith("Patient/")]:
        lines[key] = with_patient_identifier(lines[key], patient_id)
    return lines


def written() -> list[tuple]:
    return list(Record.objects.order_by("pk").values_list("pk", "position", "landed_at"))


@pytest.mark.timeout(600)
@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here")
def test_every_patient_of_the_shared_data_arrives_byte_for_byte(api, tenant, tmp_path, at_sandbox, pull):
    server = Sandbox(tmp_path, bundles=str(SHARED))
    try:
        count = 0
        for account in server.accounts:
            for number, person in enumerate(account["patients"]):
                patient_id = f"{account['username']}-{number}"
                connection = at_sandbox(
                    patient=make_patient(tenant, patient_id), sandbox=server, username=account["username"],
                    patient_there=person["id"],
                )  # fmt: skip
                done = pull(connection)
                assert (done.status, done.errors) == ("completed", 0), patient_id
                expected = held(server, "plain", connection.fhir_patient_id, patient_id)
                assert given(api, patient_id) == expected, patient_id
                if count % 5 == 0:
                    before = written()
                    again = pull(connection)
                    assert (again.status, again.total) == ("completed", 0)
                    assert written() == before
                count += 1
        assert count >= 20
    finally:
        server.stop()


@pytest.mark.parametrize("slug", ["plain", "rotating-refresh", "epic-like", "at-general-hospital"])
def test_the_generated_patients_arrive_byte_for_byte(api, sandbox, at_sandbox, pull, slug):
    connection = at_sandbox(slug, vendor="epic" if slug == "epic-like" else None)
    assert pull(connection).status == "completed"
    assert given(api, "p-1") == held(sandbox, slug, connection.fhir_patient_id, "p-1")
