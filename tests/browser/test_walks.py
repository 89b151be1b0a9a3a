"""From the link to the app and back: with a mouse, with a keyboard, on a phone, without JavaScript, in Spanish."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import walking
from tests.browser.checks import findings


@pytest.mark.parametrize("javascript", [True, False], ids=["with-javascript", "without"])
@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_connect_two_portals_and_go_back_to_the_app(browser_window, scene, javascript, phone):
    flow = scene.flow()
    page = browser_window(phone=phone, java_script_enabled=javascript)
    walking.connect(page, flow["url"])
    page.get_by_role("link", name="Connect another portal").click()
    expect(page.get_by_role("heading", name="Connected so far")).to_be_visible()
    walking.search(page, "st lukes")
    walking.choose(page, "Saint Luke's Hospital")
    walking.leave(page)
    walking.answer(page, "Allow")
    walking.see_connected(page, "Saint Luke's Hospital")
    walking.done(page)
    assert page.url.endswith(f"/back?from=connect&patient_id=p-1&patient_flow_id={flow['id']}")
    told = scene.api.get(f"/patient-flows/{flow['id']}").json()
    assert [connection["status"] for connection in told["connections"]] == ["active", "active"]
    assert told["status"] == "complete"


def test_refused_then_tried_again(page, scene):
    walking.go_to_portal(page, scene.link())
    walking.answer(page, "Deny")
    expect(page.get_by_role("heading", name="You did not share your records")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    walking.answer(page, "Allow")
    walking.see_connected(page)


def test_direct_goes_straight_to_the_portal_and_straight_back(page, scene):
    flow = scene.flow(connection_id=scene.source.pk)
    page.goto(flow["url"])
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    walking.answer(page, "Allow")
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    assert f"success=true&connection_id={scene.source.pk}" in page.url


def test_the_language_is_chosen_once_and_kept_at_every_step(page, scene):
    page.goto(scene.link() + "/search?q=cleveland")
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("heading", name="Busque su portal")).to_be_visible()
    assert page.url.endswith("/search?q=cleveland")
    page.get_by_role("link", name=re.compile("Cleveland Clinic")).click()
    page.get_by_role("button", name=re.compile("^Continuar a")).click()
    walking.answer(page, "Allow")
    expect(page.get_by_role("heading", name="Ya está conectado con Cleveland Clinic")).to_be_visible()
    page.get_by_role("button", name="English").click()
    walking.see_connected(page)


def test_the_app_may_choose_the_language(page, scene):
    page.goto(scene.link(locale="es"))
    expect(page.get_by_role("heading", name="Conecte su historial médico")).to_be_visible()


def test_a_keyboard_is_enough(page, scene):
    page.goto(scene.link())
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    field = page.get_by_role("combobox")
    for _ in range(6):
        page.keyboard.press("Tab")
        if field.evaluate("field => field === document.activeElement"):
            break
    page.keyboard.type("clevland")
    expect(page.get_by_role("option", name=re.compile("Cleveland Clinic"))).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in at your portal")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Continue to")).focus()
    page.keyboard.press("Enter")
    walking.answer(page, "Allow")
    walking.see_connected(page)


def test_a_portal_that_is_missing_is_kept_as_demand(page, scene):
    page.goto(scene.link())
    walking.search(page, "xyzzyplugh")
    page.get_by_role("link", name="Tell us which portal is missing").click()
    expect(page.get_by_label("Name of your hospital, clinic or health plan")).to_have_value("xyzzyplugh")
    page.get_by_label("Name of your hospital, clinic or health plan").fill("")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_text("Please type the name.")
    assert findings(page) == []
    page.get_by_label("Name of your hospital, clinic or health plan").fill("Mercy General")
    page.get_by_label("City or ZIP code (optional)").fill("Sacramento")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    from portals.models import MissingPortal

    wish = MissingPortal.objects.get()
    assert (wish.name, wish.place, wish.organization_id) == ("Mercy General", "Sacramento", scene.organization.pk)
