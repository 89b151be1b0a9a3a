"""Search as the person types: the combobox pattern of the ARIA Authoring Practices, and what it finds."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.checks import findings, keep_picture, overflow


@pytest.fixture
def field(page, scene):
    page.goto(scene.link(recommended_connection_ids=[scene.sources[2].pk]))
    return page.get_by_role("combobox", name="Find your hospital, clinic or health plan")


def option(page, name: str):
    return page.get_by_role("option", name=re.compile(name))


def test_options_come_as_one_types_and_say_why_and_where(page, field):
    field.press_sequentially("mayo")
    options = page.get_by_role("option")
    expect(options).to_have_count(3)
    assert options.nth(0).inner_text().split("\n")[-3:] == ["Mayo Clinic Health System", "Eau Claire, WI", "Begins with what you typed"]  # fmt: skip
    expect(page.get_by_role("group", name="Mayo Clinic")).to_be_visible()
    expect(field).to_have_attribute("aria-expanded", "true")
    assert page.get_by_text("Rochester, MN").count() == page.get_by_text("Phoenix, AZ").count() == 1
    expect(page.get_by_role("status")).to_have_text("3 results. Use the arrow keys to choose.")
    keep_picture(page, "combobox")
    assert findings(page) == []


def test_arrows_move_the_active_option_and_the_field_keeps_the_focus(page, field):
    field.press_sequentially("mayo")
    expect(page.get_by_role("option")).to_have_count(3)
    for key, active in [("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0), ("ArrowUp", 2), ("ArrowDown", 0)]:
        field.press(key)
        chosen = page.get_by_role("option").nth(active)
        expect(chosen).to_have_attribute("aria-selected", "true")
        expect(field).to_have_attribute("aria-activedescendant", chosen.get_attribute("id"))
        expect(page.locator("[aria-selected=true]")).to_have_count(1)
        expect(field).to_be_focused()
    assert findings(page) == []
    field.press("Enter")
    expect(page.get_by_role("heading", name="Sign in at your portal")).to_be_visible()


def test_escape_closes_then_empties(page, field):
    field.press_sequentially("mayo")
    expect(page.get_by_role("listbox")).to_be_visible()
    field.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(field).to_have_attribute("aria-expanded", "false")
    expect(field).to_have_value("mayo")
    field.press("ArrowDown")
    expect(page.get_by_role("listbox")).to_be_visible()
    field.press("Escape")
    field.press("Escape")
    expect(field).to_have_value("")


def test_nothing_found_says_what_else_to_try(page, field):
    field.press_sequentially("xyzzyplugh")
    expect(page.get_by_role("heading", name="Nothing found for “xyzzyplugh”")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Nothing found. Help is below the search field.")
    expect(field).to_have_attribute("aria-expanded", "false")
    assert findings(page) == []


def test_a_name_that_many_portals_share_asks_for_more(page, field):
    field.press_sequentially("mychart")
    expect(page.get_by_text("Many hospitals use “mychart”.")).to_be_visible()
    expect(page.get_by_role("option")).to_have_count(0)
    assert findings(page) == []


def test_a_place_brings_near_ones_first(page, field):
    page.get_by_text("Near you first").click()
    page.get_by_label("ZIP code or city (optional)").fill("85054")
    field.press_sequentially("mayo clinic")
    expect(page.get_by_role("option").nth(1)).to_contain_text("Phoenix, AZ")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("st lukes", "Saint Luke"), ("clevland clinc", "Cleveland Clinic"), ("univ texas southwestern", "University"),
        ("mayo mychart", "Mayo Clinic"), ("clínica cleveland", "Cleveland Clinic"), ("mayo az", "Phoenix, AZ"),
    ],
)  # fmt: skip
def test_what_people_type_is_understood(page, field, typed, found):
    field.fill(typed)
    expect(page.get_by_role("option").first).to_contain_text(found)


def test_a_pasted_address_finds_its_portal(page, scene, field):
    field.fill(f"{scene.hospital.url}/fhir/4")
    expect(page.get_by_role("option")).to_have_count(1)
    expect(page.get_by_role("option")).to_contain_text("Found by its web address")


def test_the_list_fits_a_small_window(page, field):
    page.set_viewport_size({"width": 320, "height": 640})
    field.press_sequentially("mayo")
    expect(page.get_by_role("option")).to_have_count(3)
    assert overflow(page) <= 0


def test_typing_goes_on_when_the_network_fails(page, field):
    page.route("**/search?*part=1*", lambda route: route.abort())
    field.press_sequentially("mayo")
    page.unroute("**/search?*part=1*")
    field.press("Enter")
    expect(page.get_by_role("heading", name="Find your portal")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Mayo Clinic"))).to_have_count(3)
