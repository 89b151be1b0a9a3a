"""The whole story in a real browser, in both modes, on the running stack: from the link to records and verified events."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.journeys import patient
from tests.journeys.stack import wait_until

PORTAL = "Plain portal"


def open_flow(stack, receiver, patient_id: str, **more) -> dict:
    body = {"patient_id": patient_id, "return_url": receiver.return_url, "return_button_label": "Trials"}
    return stack.call("POST", "/patient-flows", body | more)


def returned(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def wait_for_records(stack, receiver, patient_id: str) -> dict:
    """The event that says every record is here."""
    return wait_until(lambda: receiver.of(patient_id, "records.sync.completed"), seconds=120)[0]


def with_our_identifier(resource: dict, patient_id: str) -> dict:
    """The one change Connect makes (contract 5)."""
    ours = {"system": "urn:medblocks:patient-id", "value": patient_id}
    return resource | {"identifier": [*resource.get("identifier", []), ours]}


def assert_equal_to_portal(stack, patient_id: str, portal: str, fhir_patient: str) -> None:
    """Resource by resource, nothing more and nothing less than the portal holds."""
    held = stack.holdings(portal, fhir_patient)
    held = {
        key: with_our_identifier(resource, patient_id) if key.startswith("Patient/") else resource
        for key, resource in held.items()
    }
    got = stack.records(patient_id)
    assert sorted(got) == sorted(held)
    different = [key for key in held if got[key] != held[key]]
    assert different == []
    assert len(got) > 100


def test_picker_from_link_to_verified_event_and_equal_records(stack, receiver, page, patient_id):
    flow = open_flow(stack, receiver, patient_id)
    page.goto(flow["url"])
    patient.search_and_choose(page, "plain portl", PORTAL)
    patient.leave_for_portal(page)
    patient.log_in(page)
    patient.decide(page)
    patient.see_connected(page, PORTAL)
    patient.finish(page, "Trials")

    assert returned(page) == {"from": "connect", "patient_id": patient_id, "patient_flow_id": flow["id"]}
    synced = wait_for_records(stack, receiver, patient_id)["data"]["object"]
    flow = stack.call("GET", f"/patient-flows/{flow['id']}")
    assert flow["status"] == "complete"
    assert [connection["status"] for connection in flow["connections"]] == ["active"]
    assert_equal_to_portal(stack, patient_id, "plain", stack.account()["patients"][0]["id"])
    assert synced["total"] == len(stack.records(patient_id))
    assert synced["errors"] == 0

    wait_until(lambda: len(receiver.of(patient_id)) >= 3)
    told = {event["type"]: event["data"]["object"] for event in receiver.of(patient_id)}
    assert sorted(told) == ["connection.active", "patient_flow.completed", "records.sync.completed"]
    assert told["patient_flow.completed"]["id"] == flow["id"]
    assert len({event["id"] for event in receiver.of(patient_id)}) == 3
    assert receiver.refused == []


def test_direct_goes_from_the_link_straight_to_the_login_and_from_consent_straight_back(
    stack, receiver, page, patient_id
):
    source = stack.source(PORTAL)
    flow = open_flow(stack, receiver, patient_id, connection_id=source["id"])
    page.goto(flow["url"])
    assert urlsplit(page.url).path.startswith("/sandbox/plain/")
    patient.log_in(page)
    patient.decide(page)
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()

    assert returned(page) == {
        "from": "connect", "patient_id": patient_id, "patient_flow_id": flow["id"], "success": "true",
        "connection_id": source["id"],
    }  # fmt: skip
    wait_for_records(stack, receiver, patient_id)
    assert_equal_to_portal(stack, patient_id, "plain", stack.account()["patients"][0]["id"])
    assert len(receiver.of(patient_id, "patient_flow.completed")) == 1


def test_direct_refused_comes_back_with_the_reason(stack, receiver, page, patient_id):
    flow = open_flow(stack, receiver, patient_id, connection_id=stack.source(PORTAL)["id"])
    page.goto(flow["url"])
    patient.log_in(page)
    patient.decide(page, "Deny")
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()

    came = returned(page)
    assert (came["success"], came["error"]) == ("false", "user_denied")
    told = wait_until(lambda: receiver.of(patient_id, "patient_flow.completed"))[0]["data"]["object"]
    assert [(each["status"], each["failure_code"], each["id"]) for each in told["connections"]] == [
        ("failed", "user_denied", None)
    ]


def test_picker_after_a_refusal_the_patient_chooses_another_portal(stack, receiver, page, patient_id):
    flow = open_flow(stack, receiver, patient_id)
    page.goto(flow["url"])
    patient.search_and_choose(page, "patient denies", "Patient denies")
    patient.leave_for_portal(page)
    patient.log_in(page)
    patient.decide(page)
    page.get_by_role("link", name="another portal").first.click()
    patient.search_and_choose(page, PORTAL, PORTAL)
    patient.leave_for_portal(page)
    patient.log_in(page)
    patient.decide(page)
    patient.see_connected(page, PORTAL)
    patient.finish(page, "Trials")

    told = wait_until(lambda: receiver.of(patient_id, "patient_flow.completed"))[0]["data"]["object"]
    assert sorted(each["status"] for each in told["connections"]) == ["active", "failed"]


def test_a_parent_shares_a_childs_record(stack, receiver, page, patient_id):
    child = stack.account("parent")["patients"][1]
    flow = open_flow(stack, receiver, patient_id, connection_id=stack.source(PORTAL)["id"])
    page.goto(flow["url"])
    patient.log_in(page, "parent")
    patient.decide(page, whose=child["name"])
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()

    wait_for_records(stack, receiver, patient_id)
    patients = [key for key in stack.records(patient_id) if key.startswith("Patient/")]
    assert patients == [f"Patient/{child['id']}"]


def test_a_name_out_of_the_whole_catalogue_leads_to_a_portal_that_works(stack, receiver, page, patient_id):
    source = next(
        source for source in stack.every("/connections", q="children's hospital") if source["type"] != "sandbox"
    )
    flow = open_flow(stack, receiver, patient_id, connection_id=source["id"])
    page.goto(flow["url"])
    patient.log_in(page)
    patient.decide(page)
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert returned(page)["connection_id"] == source["id"]


def test_a_portal_that_needs_signed_assertions_gets_them(stack, receiver, page, patient_id):
    flow = open_flow(stack, receiver, patient_id, connection_id=stack.source("Needs private_key_jwt")["id"])
    page.goto(flow["url"])
    patient.log_in(page)
    patient.decide(page)
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert returned(page)["success"] == "true"
