"""Through every pretend portal: what the API gives of a patient equals what the portal holds, byte for byte of each JSON
value (the one change is the Patient's identifier), and a second pull writes nothing.

Every patient of ../shared/data/fhir goes through one of the portals and an odd one of our own through all of them;
`EQUALITY=all` sends every patient through every portal (20 minutes).
"""

import os
from pathlib import Path

import msgspec
import pytest

from portals.sandbox.variants import PORTALS
from pulls.fhir.identifiers import with_patient_identifier
from pulls.models import Pull, Record
from tests.pulls import odd_patient
from tests.pulls.conftest import make_patient
from tests.pulls.sandbox_server import Sandbox

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir"
ALL = os.environ.get("EQUALITY") == "all"
pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1800 if ALL else 180)]

# Nobody gets access at these: there is nothing to pull.
CLOSED = {
    "patient-denies", "callback-error", "invalid-scope", "wrong-issuer", "token-endpoint-fails", "no-patient",
    "misconfigured",
}  # fmt: skip
# These withhold, and what of the odd patient: type → reason as the manifest names it.
WITHHELD = {
    "broken-pages": {"Observation": "http_500"},
    "looping-pages": {"Observation": "page_repeated"},
    "operation-outcome-200": dict.fromkeys(("Condition", "MedicationRequest", "Procedure"), "warning:processing"),
    "incomplete": {"CarePlan": "http_403", "Observation": "pages_lost"},
}
SLUGS = [portal.slug for portal in PORTALS if portal.slug not in CLOSED]


class Item(msgspec.Struct):
    source: str
    resource: msgspec.Raw


class RecordPage(msgspec.Struct):
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
    """`Type/id` → the text of the resource as `GET /records` sends it."""
    found, cursor = {}, {}
    while True:
        page = msgspec.json.decode(api.get(f"/patients/{patient_id}/records", cursor).content, type=RecordPage)
        found |= {key_of(item.resource): bytes(item.resource) for item in page.data}
        if not page.has_more:
            return found
        cursor = {"starting_after": page.next_cursor}


def streamed(api, patient_id: str) -> dict[str, bytes]:
    """The same as `$export` sends it."""
    answer = api.get(f"/patients/{patient_id}/records/$export")
    return {key_of(line): line for line in b"".join(answer.streaming_content).splitlines()}


def held(sandbox, slug: str, fhir_patient: str, patient_id: str) -> dict[str, bytes]:
    """The same of the portal's holdings, with the one change we make."""
    lines = {key_of(line): line for line in sandbox.holdings(slug, fhir_patient)}
    for key in [key for key in lines if key.startswith("Patient/")]:
        lines[key] = with_patient_identifier(lines[key], patient_id)
    return lines


def written() -> list[tuple]:
    return list(Record.objects.order_by("pk").values_list("pk", "position", "landed_at"))


def lacking(api, pull: Pull) -> tuple[dict[str, str], set[str]]:
    """What the pull says it could not have: types with the reason, and documents."""
    manifest = api.get(f"/pulls/{pull.pk}/manifest").json()
    progress = api.get(f"/pulls/{pull.pk}").json()["progress"]
    types = {each["type"]: each["error"] for each in progress if each["status"] in ("refused", "failed", "partial")}
    return types, {each["target"] for each in manifest["documents"]["lacking"] if each["status"] == "failed"}


@pytest.fixture(scope="module")
def portals(tmp_path_factory):
    """All portals, with the odd patient and, where they are, those of ../shared."""
    folder = tmp_path_factory.mktemp("portals")
    bundles = folder / "bundles"
    bundles.mkdir()
    odd_patient.write_bundle(bundles / "odd.json")
    for path in SHARED.rglob("*.json"):
        (bundles / path.name).symlink_to(path)
    running = Sandbox(folder, bundles=str(bundles), huge=250, hurried=True)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("pulls.budgets.SHORTEST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr("pulls.budgets.CIRCUIT_FAILURES", 1000)


@pytest.fixture
def check(api, tenant, portals, at_sandbox, pull):
    """A factory: pull a patient at a portal and compare; answers what it lacks and says it lacks."""

    def check(slug: str, fhir_patient: str) -> tuple[dict[str, str], set[str]]:
        patient_id = f"{slug}-{fhir_patient}"[:100]
        connection = at_sandbox(
            slug, patient=make_patient(tenant, patient_id), sandbox=portals, username=fhir_patient,
            vendor="epic" if slug == "epic-like" else None,
        )  # fmt: skip
        done = pull(connection)
        expected, got = held(portals, slug, connection.fhir_patient_id, patient_id), given(api, patient_id)
        types, documents = lacking(api, done)
        missing = expected.keys() - got.keys()
        assert {key: expected.get(key) for key in got} == got, "what arrived is what the portal holds"
        assert streamed(api, patient_id) == got
        assert {key for key in missing if key.partition("/")[0] not in types} == documents
        assert set(types.values()) <= set(WITHHELD.get(slug, {}).values())
        assert done.status == ("partial" if types or documents else "completed")

        before = written()
        again = pull(connection)
        assert (again.status, again.total) == (done.status, 0)
        assert written() == before
        return types, documents

    return check


def test_every_portal_is_either_closed_or_compared():
    assert len(SLUGS) + len(CLOSED) == len(PORTALS)
    assert WITHHELD.keys() <= set(SLUGS)


@pytest.mark.parametrize("slug", SLUGS)
def test_odd_values_arrive_byte_for_byte(check, slug):
    types, documents = check(slug, odd_patient.PATIENT)
    assert types == WITHHELD.get(slug, {})
    assert len(documents) == (1 if slug == "incomplete" else 0)


@pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here")
@pytest.mark.parametrize("slug", SLUGS)
def test_every_patient_of_the_shared_data_arrives_byte_for_byte(check, portals, slug):
    patients = [each["username"] for each in portals.accounts if each["username"] not in ("patient", "parent")]
    mine = patients if ALL else patients[SLUGS.index(slug) :: len(SLUGS)]
    assert len(patients) >= 20
    for fhir_patient in mine:
        if fhir_patient != odd_patient.PATIENT:
            check(slug, fhir_patient)


@pytest.mark.parametrize("slug", ["plain", "rotating-refresh", "epic-like", "at-general-hospital"])
def test_the_generated_patients_arrive_byte_for_byte(api, sandbox, at_sandbox, pull, slug):
    connection = at_sandbox(slug, vendor="epic" if slug == "epic-like" else None)
    assert pull(connection).status == "completed"
    assert given(api, "p-1") == held(sandbox, slug, connection.fhir_patient_id, "p-1")
