"""What browsers and people do besides going straight on (issue 3, point 6)."""

import re
from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from playwright.sync_api import expect

from patientflows.expire import expire_due
from patientflows.models import Attempt
from portals.models import Connection
from tests.browser import walking
from tests.browser.checks import findings
from webhooks.models import Event


@pytest.fixture
def two_browsers(browser_window):
    """An app's own small browser, and the phone's usual one: no cookie of one is the other's."""
    return browser_window(phone=True), browser_window(phone=True)


def end_of_url(page) -> str:
    return re.sub(r"^https?://[^/]+", "", page.url)


def code_on(page) -> str:
    expect(page.get_by_role("heading", name="One last step")).to_be_visible()
    return page.locator("p.code").inner_text()


def callback_of(page, said: str = "Allow") -> str:
    """Where the portal's link would lead."""
    return page.get_by_role("link", name=said).get_attribute("href")


def test_a_callback_in_another_browser_shows_a_code_that_the_first_page_takes(two_browsers, scene):
    small, usual = two_browsers
    flow = scene.flow()
    walking.go_to_portal(small, flow["url"])
    usual.goto(callback_of(small))
    code = code_on(usual)
    assert not Connection.objects.exists()
    small.goto(flow["url"])
    small.get_by_label("Code").fill("AAA AAA")
    small.get_by_role("button", name="Finish").click()
    expect(small.get_by_role("alert")).to_have_text("That code does not match. Please look at it again.")
    assert findings(small) == []
    small.get_by_label("Code").fill(code.lower())
    small.get_by_role("button", name="Finish").click()
    walking.see_connected(small)
    usual.reload()
    walking.see_connected(usual)
    expect(usual.get_by_text("Go on at the page where you started.")).to_be_visible()
    assert Connection.objects.count() == 1


def test_direct_with_lost_cookies_goes_on_at_the_link_opened_again(two_browsers, scene):
    small, usual = two_browsers
    flow = scene.flow(connection_id=scene.source.pk)
    small.goto(flow["url"])
    usual.goto(callback_of(small))
    code = code_on(usual)
    small.goto(flow["url"])
    small.get_by_label("Code").fill(code)
    small.get_by_role("button", name="Finish").click()
    expect(small.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert "success=true" in small.url


def test_five_wrong_codes_end_it_kindly(two_browsers, scene):
    small, usual = two_browsers
    flow = scene.flow()
    walking.go_to_portal(small, flow["url"])
    usual.goto(callback_of(small))
    small.goto(flow["url"])
    for _ in range(5):
        small.get_by_label("Code").fill("22222A")
        small.get_by_role("button", name="Finish").click()
    expect(small.get_by_role("heading", name="That did not work")).to_be_visible()
    expect(small.get_by_role("button", name="Try again")).to_be_visible()
    assert not Connection.objects.exists()


def test_begun_on_one_device_and_finished_on_another(browser_window, scene):
    laptop, phone = browser_window(), browser_window(phone=True)
    flow = scene.flow()
    laptop.goto(flow["url"])
    laptop.get_by_text("Go on with another device").click()
    square = laptop.get_by_role("img", name="QR code with the link to this page")
    expect(square).to_be_visible()
    expect(square).not_to_have_js_property("naturalWidth", 0)
    walking.connect(phone, flow["url"])
    laptop.reload()
    expect(laptop.get_by_role("heading", name="Connected so far")).to_be_visible()
    walking.done(laptop)


def test_back_and_reload_at_every_step_show_no_error_and_connect_once(page, scene):
    flow = scene.flow()
    page.goto(flow["url"])
    page.reload()
    walking.search(page, "cleveland clinic")
    page.reload()
    walking.choose(page, "Cleveland Clinic")
    page.go_back()
    expect(page.get_by_role("heading", name="Find your portal")).to_be_visible()
    page.go_forward()
    walking.leave(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in at your portal")).to_be_visible()
    walking.leave(page)
    walking.answer(page, "Allow")
    walking.see_connected(page)
    page.reload()
    walking.see_connected(page)
    page.go_back()  # the portal's page, whose code is spent
    walking.answer(page, "Allow")
    walking.see_connected(page)
    walking.done(page)
    page.go_back()
    expect(page.get_by_role("heading", name="You are done here")).to_be_visible()
    page.reload()
    page.get_by_role("link", name="Return to TrialFinder").click()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert Connection.objects.count() == 1


def test_two_tabs_connect_once_and_finish_once(page, scene):
    flow = scene.flow()
    other = page.context.new_page()
    for tab in (page, other):
        walking.go_to_portal(tab, flow["url"])
    for tab in (page, other):
        walking.answer(tab, "Allow")
        walking.see_connected(tab)
    walking.done(page)
    walking.done(other)
    assert Connection.objects.count() == 1
    assert scene.api.get(f"/patient-flows/{flow['id']}").json()["status"] == "complete"


def test_two_portals_in_two_tabs_are_two_connections(page, scene):
    flow = scene.flow()
    other = page.context.new_page()
    walking.go_to_portal(page, flow["url"], "Cleveland Clinic")
    walking.go_to_portal(other, flow["url"], "Saint Luke's Hospital")
    walking.answer(page, "Allow")
    walking.answer(other, "Allow")
    walking.see_connected(page, "Cleveland Clinic")
    walking.see_connected(other, "Saint Luke's Hospital")
    assert Connection.objects.count() == 2


def test_a_double_click_is_one_press(page, scene):
    page.goto(scene.link() + f"/portal/{scene.source.pk}")
    page.get_by_role("button", name=re.compile("^Continue to")).dblclick()
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    assert Attempt.objects.count() == 1


def test_a_callback_delivered_twice_gives_the_same_page_twice(page, scene):
    walking.go_to_portal(page, scene.link())
    callback = callback_of(page)
    page.goto(callback)
    outcome = end_of_url(page)
    walking.see_connected(page)
    page.goto(callback)
    assert end_of_url(page) == outcome
    walking.see_connected(page)
    assert (Connection.objects.count(), len(scene.hospital.to("/token"))) == (1, 1)


@pytest.mark.parametrize(
    ("minutes", "heading"), [(59, "You are connected to Cleveland Clinic"), (61, "The sign-in was not finished")]
)
def test_an_hour_at_the_portal(page, scene, minutes, heading):
    walking.go_to_portal(page, scene.link())
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        expire_due()
        walking.answer(page, "Allow")
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert findings(page) == []


def test_who_is_at_the_portal_when_the_link_runs_out_still_finishes(page, scene):
    flow = scene.flow(expires_in=60)
    walking.go_to_portal(page, flow["url"])
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        expire_due()
        other = page.context.new_page()
        other.goto(flow["url"])
        expect(other.get_by_role("heading", name="This link has run out")).to_be_visible()
        walking.answer(page, "Allow")
        walking.see_connected(page)
        expect(page.get_by_role("link", name="Connect another portal")).to_have_count(0)
        walking.done(page)
    assert scene.api.get(f"/patient-flows/{flow['id']}").json()["status"] == "complete"


@pytest.mark.parametrize("years", [-20, 20])
def test_a_device_with_a_wrong_clock_connects_all_the_same(page, scene, years):
    page.clock.install(time=datetime(2026 + years, 1, 1))
    walking.connect(page, scene.link())
    walking.done(page)


def test_a_scanner_that_looks_at_the_link_changes_nothing(browser_window, scene):
    flow = scene.flow()
    scanner = browser_window(java_script_enabled=False)
    scanner.goto(flow["url"])
    scanner.request.head(flow["url"])
    for link in scanner.get_by_role("link").all():
        scanner.request.get(f"{flow['url']}{link.get_attribute('href')}")
    told = scene.api.get(f"/patient-flows/{flow['id']}").json()
    assert (told["status"], told["connections"]) == ("open", [])
    assert not Attempt.objects.exists()
    assert not Event.objects.exists()


def test_a_form_whose_cookie_is_gone_leads_on(page, scene):
    page.goto(scene.link() + f"/portal/{scene.source.pk}")
    page.context.clear_cookies()
    page.get_by_role("button", name=re.compile("^Continue to")).click()
    expect(page.get_by_role("heading", name="Please try that once more")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("link", name="Try again").click()
    walking.leave(page)


def test_a_portal_that_is_down_is_told_and_can_be_tried_again(page, scene):
    well_known = f"/fhir/{4}/.well-known/smart-configuration"
    from tests.portals.portal_double import Answer

    working = scene.hospital.scripts[well_known]
    scene.hospital.on(well_known, Answer(503))
    page.goto(scene.link())
    walking.search(page, "Cleveland Clinic")
    walking.choose(page, "Cleveland Clinic")
    page.get_by_role("button", name=re.compile("^Continue to")).click()
    expect(page.get_by_role("heading", name="We cannot reach this portal right now")).to_be_visible()
    page.reload()
    scene.hospital.on(well_known, *working)
    page.get_by_role("button", name="Try again").click()
    walking.answer(page, "Allow")
    walking.see_connected(page)
