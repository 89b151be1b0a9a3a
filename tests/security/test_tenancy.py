"""No operation shows or changes anything of another organisation, or of the same one's other environment.

The operations come from the OpenAPI schema, so one that is added tomorrow is tried tomorrow.
"""

import json

import pytest
from django.apps import apps

from connect.operations.verify.tenancy import owner_path
from connect.organizations.models import SCOPES
from tests.factories import ApiClient, make_key, make_organization
from tests.security.operations import Operation, every_operation
from tests.world import World, make_world

OPERATIONS = every_operation()
NAMING = [operation for operation in OPERATIONS if operation.names_a_row]
LISTING = [operation for operation in OPERATIONS if operation.method == "get" and "{}" not in operation.template]


@pytest.fixture
def world(organization) -> World:
    return make_world(organization, patient_id="theirs-alone")


@pytest.fixture
def outsiders(organization, world) -> list[ApiClient]:
    """A stranger, and the same organisation in production."""
    return [ApiClient(make_key(make_organization("Other"))), ApiClient(make_key(organization, "production"))]


def rows_of(world: World) -> dict[str, list]:
    """Everything the tenant has, column by column; not when its keys were last used."""
    rows = {}
    for model in apps.get_models():
        path = owner_path(model)
        if path is None or model._meta.label == "organizations.ApiKey":
            continue
        mine = model._base_manager.filter(
            **{f"{path}organization_id": world.tenant.organization_id, f"{path}environment": world.tenant.environment}
        )
        rows[model._meta.label] = [
            {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
            for row in mine.order_by("pk").values()
        ]
    return rows


def test_the_schema_lists_what_the_contract_promises():
    assert len(NAMING) >= 20
    assert {"/patients", "/patient-flows", "/webhooks", "/events", "/pulls"} <= {each.template for each in LISTING}


@pytest.mark.parametrize("operation", NAMING, ids=str)
def test_a_strangers_row_is_not_found_and_not_touched(operation: Operation, world, outsiders):
    before = rows_of(world)
    for outsider in outsiders:
        answer = operation.call(outsider, world)
        production_has_no_clock = answer.status_code == 403 and operation.template.startswith("/sandbox/")
        assert answer.status_code == 404 or production_has_no_clock, answer.content
        assert answer.json()["error"]["code"] in ("resource_not_found", "forbidden")
        assert b"Ada" not in answer.content
    assert rows_of(world) == before
    assert operation.call(world.api, world).status_code in (200, 400, 409), "the owner's own call must get through"


def test_two_patients_of_one_id_in_two_organisations_are_two_patients(world):
    namesake = make_world(make_organization("Third"), patient_id="theirs-alone")
    before = rows_of(world)
    for operation in NAMING:
        answer = operation.call(namesake.api, world)
        assert world.connection.pk not in answer.content.decode(errors="replace"), str(operation)
    assert rows_of(world) == before


@pytest.mark.parametrize("operation", LISTING, ids=str)
def test_a_strangers_list_holds_nothing_of_mine(operation: Operation, world, outsiders):
    mine = [
        world.patient.patient_id,
        world.flow.pk,
        world.connection.pk,
        world.pull.pk,
        world.endpoint.pk,
        world.event.pk,
    ]
    for outsider in outsiders:
        answer = operation.call(outsider, world)
        assert answer.status_code == 200, answer.content
        shared = operation.template == "/connections"  # the catalogue
        assert shared or answer.json()["data"] == []
        assert not [each for each in mine if each in answer.content.decode()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_it_needs_a_living_key_with_its_scope(operation: Operation, world, organization, client):
    assert operation.call(client, world).json()["error"]["code"] == "missing_api_key"
    unknown = ApiClient("mb_sk_sbx_" + "x" * 32)
    assert operation.call(unknown, world).json()["error"]["code"] == "invalid_api_key"
    powerless = ApiClient(make_key(organization, scopes=[]))
    answer = operation.call(powerless, world)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")


def test_a_key_that_only_reads_changes_nothing(world, organization):
    readers = [scope for scope in SCOPES if scope.endswith(":read")]
    reader = ApiClient(make_key(organization, scopes=readers))
    before = rows_of(world)
    for operation in OPERATIONS:
        if operation.method != "get":
            answer = operation.call(reader, world)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope"), str(operation)
    assert rows_of(world) == before


@pytest.mark.parametrize("field", ["reconnect", "connection_id"])
def test_ids_inside_a_body_are_looked_up_through_the_same_door(field, world, outsiders):
    value = {"reconnect": world.connection.pk, "connection_id": world.connection.source_id}[field]
    body = {"patient_id": "theirs-alone", "return_url": "https://app.example.org/", field: value}
    # A sandbox source is every sandbox caller's; production has another catalogue.
    for outsider in outsiders if field == "reconnect" else outsiders[1:]:
        answer = outsider.create("/patient-flows", body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, field)


def test_filters_do_not_reach_over_the_wall(world, outsiders):
    for outsider in outsiders:
        for path in (
            "/patients?patient_id=theirs-alone",
            "/patient-flows?patient_id=theirs-alone",
            f"/pulls?patient_id={world.patient.patient_id}",
        ):
            assert outsider.get(path).json()["data"] == [], path
        gap = outsider.get(f"/events?webhook_id={world.endpoint.pk}&after_sequence=0")
        assert gap.status_code == 404 or gap.json()["data"] == []


def test_a_cursor_of_mine_leads_a_stranger_nowhere(world, organization, outsiders):
    for number in range(3):
        world.api.create("/patients", {"patient_id": f"mine-{number}"})
    cursor = world.api.get("/patients?limit=1").json()["next_cursor"]
    for outsider in outsiders:
        answer = outsider.get("/patients", {"limit": 1, "starting_after": cursor})
        assert answer.status_code == 400 or json.loads(answer.content)["data"] == []
