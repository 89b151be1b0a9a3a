"""The power goes: every process is killed with -9 at five moments, and started again on the same data.

Whatever the moment, the flow finishes, the records are complete, and each event arrives, under one id.
"""

import time

import pytest
from playwright.sync_api import Error, expect

from tests.journeys import patient
from tests.journeys.stack import wait_until
from tests.journeys.test_journeys import PORTAL, assert_equal_to_portal, open_flow

LEASES_SECONDS = 180


def restart(stack) -> None:
    stack.kill_everything()
    stack.start()


def go_to_portal(page, flow) -> None:
    page.goto(flow["url"])
    patient.search_and_choose(page, PORTAL, PORTAL)
    patient.leave_for_portal(page)


def consent(page) -> None:
    patient.log_in(page)
    patient.decide(page)


def come_to_an_end(page, flow) -> None:
    """Whatever page the patient is on: connected, or to be tried again, until Done."""
    if not page.get_by_role("button", name="Done — return to Trials").count():
        page.goto(flow["url"])
    if not page.get_by_role("button", name="Done — return to Trials").count():
        patient.search_and_choose(page, PORTAL, PORTAL)
        patient.leave_for_portal(page)
        consent(page)
        patient.see_connected(page, PORTAL)
    patient.finish(page, "Trials")


def before_the_portal_is_chosen(stack, page, flow, receiver):
    page.goto(flow["url"])
    restart(stack)
    patient.search_and_choose(page, PORTAL, PORTAL)
    patient.leave_for_portal(page)
    consent(page)
    patient.see_connected(page, PORTAL)


def while_the_patient_is_at_the_portal(stack, page, flow, receiver):
    go_to_portal(page, flow)
    restart(stack)
    consent(page)
    patient.see_connected(page, PORTAL)


def while_the_code_is_exchanged(stack, page, flow, receiver):
    go_to_portal(page, flow)
    patient.log_in(page)
    patient.decide(page)
    time.sleep(0.05)
    restart(stack)
    try:
        page.reload()
    except Error:
        page.goto(flow["url"])


def while_records_are_pulled(stack, page, flow, receiver):
    go_to_portal(page, flow)
    consent(page)
    patient.see_connected(page, PORTAL)
    restart(stack)


def while_events_wait_for_the_receiver(stack, page, flow, receiver):
    receiver.answer = 503
    go_to_portal(page, flow)
    consent(page)
    patient.see_connected(page, PORTAL)
    time.sleep(2)
    restart(stack)
    receiver.answer = 200


@pytest.mark.parametrize(
    "moment",
    [
        before_the_portal_is_chosen,
        while_the_patient_is_at_the_portal,
        while_the_code_is_exchanged,
        while_records_are_pulled,
        while_events_wait_for_the_receiver,
    ],
)
def test_killed_and_started_again_the_story_ends_well(stack, receiver, page, patient_id, moment):
    flow = open_flow(stack, receiver, patient_id)
    moment(stack, page, flow, receiver)
    come_to_an_end(page, flow)

    for kind in ("patient_flow.completed", "connection.active", "records.sync.completed"):
        wait_until(lambda kind=kind: receiver.of(patient_id, kind), seconds=LEASES_SECONDS)
    assert stack.call("GET", f"/patient-flows/{flow['id']}")["status"] == "complete"
    assert_equal_to_portal(stack, patient_id, "plain", stack.account()["patients"][0]["id"])
    for kind in ("patient_flow.completed", "records.sync.completed"):
        assert len({event["id"] for event in receiver.of(patient_id, kind)}) == 1
    assert receiver.refused == []


def test_the_browser_is_not_shown_an_error_page_after_a_restart(stack, receiver, page, patient_id):
    flow = open_flow(stack, receiver, patient_id)
    go_to_portal(page, flow)
    consent(page)
    patient.see_connected(page, PORTAL)
    restart(stack)
    page.reload()
    expect(page.get_by_role("heading", name=f"You are connected to {PORTAL}")).to_be_visible()
