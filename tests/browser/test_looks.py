"""Weight, speed, colours, motion: what the first page costs, and how it bends to what a person has set."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from connect.pictures import clean_picture
from patientflows.branding import contrast, parse
from portals.fetch_logos import fetch_due
from tests.browser import walking
from tests.browser.checks import findings, keep_picture, overflow
from tests.portals.portal_double import Answer

FIRST_PAGE_BYTES = 60 * 1024
FIRST_PAINT = """new Promise(tell => new PerformanceObserver(list => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (paint) tell(paint.startTime);
}).observe({type: "paint", buffered: true}))"""
# "Slow 4G" as Lighthouse simulates it: 150 ms round trip, 1.6 Mbit/s down, 750 kbit/s up.
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}


def test_the_first_page_weighs_less_than_60_kb(page, scene):
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(sum(request.sizes()[part] for part in (
        "responseHeadersSize", "responseBodySize"))))  # fmt: skip
    page.goto(scene.link(recommended_connection_ids=[source.pk for source in scene.sources]), wait_until="networkidle")
    assert 5_000 < sum(sizes) < FIRST_PAGE_BYTES


def test_the_first_page_is_there_within_a_second_on_slow_4g(browser_window, scene):
    link = scene.link()
    times = []
    for _ in range(3):
        page = browser_window(phone=True)
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.emulateNetworkConditions", SLOW_4G)
        page.goto(link, wait_until="load")
        times.append(page.evaluate(FIRST_PAINT))
    assert min(times) < 1000


@pytest.mark.parametrize("name", ["start", "portal"])
def test_forced_colours_keep_what_is_where(page, scene, name):
    page.emulate_media(forced_colors="active")
    page.goto(scene.link() + ("" if name == "start" else f"/portal/{scene.source.pk}"))
    keep_picture(page, f"{name}-forced-colours")
    border = page.get_by_role("button").last.evaluate("button => getComputedStyle(button).borderTopWidth")
    assert border != "0px"
    assert findings(page) == []


def test_the_chosen_option_shows_in_forced_colours(page, scene):
    page.emulate_media(forced_colors="active")
    page.goto(scene.link())
    page.get_by_role("combobox").press_sequentially("mayo")
    expect(page.get_by_role("option")).to_have_count(3)
    page.get_by_role("combobox").press("ArrowDown")
    keep_picture(page, "combobox-forced-colours")
    outline = page.locator("[aria-selected=true]").evaluate("option => getComputedStyle(option).outlineStyle")
    assert outline == "solid"


def test_nothing_moves_for_who_wants_no_motion(page, scene):
    page.emulate_media(reduced_motion="reduce")
    page.goto(scene.connected())
    expect(page.locator(".moving")).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_text_twice_as_large_fits(page, scene):
    page.goto(scene.link())
    page.set_viewport_size({"width": 640, "height": 450})  # what 200% zoom leaves of 1280 by 900
    assert overflow(page) <= 0
    page.evaluate("document.documentElement.style.setProperty('font-size', '32px')")
    page.set_viewport_size({"width": 640, "height": 900})
    assert overflow(page) <= 0


@pytest.mark.parametrize("colour", ["#ffff00", "#000000", "#ffffff", "#7fffd4", "#ff0000", "#808080"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_any_colour_is_legible(page, scene, colour, scheme):
    type(scene.organization).objects.update(colour=colour)
    page.emulate_media(color_scheme=scheme)
    page.goto(scene.link() + f"/portal/{scene.source.pk}")
    keep_picture(page, f"brand-{colour[1:]}-{scheme}")
    assert findings(page) == []
    shown = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--brand')")
    ground = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--card')")
    ground = "#ffffff" if ground == "#fff" else ground
    assert contrast(parse(shown), parse(ground)) >= 4.5


def test_the_organisations_logo_is_shown(page, scene):
    picture = io.BytesIO()
    Image.new("RGB", (300, 120), "#0a6640").save(picture, "JPEG")
    type(scene.organization).objects.update(logo=clean_picture(picture.getvalue()))
    page.goto(scene.link())
    logo = page.locator("img.logo")
    expect(logo).to_have_js_property("naturalWidth", 300)
    assert findings(page) == []


def test_records_are_counted_while_they_come(page, scene):
    page.goto(scene.connected())
    expect(page.get_by_text("We are asking Mayo Clinic for your records.")).to_be_visible()
    scene.pull()
    expect(page.get_by_text("38 records from Mayo Clinic are here.")).to_be_visible()
    expect(page.locator(".moving")).to_have_count(0)


def test_progress_without_javascript_is_a_link_away(browser_window, scene):
    page = browser_window(java_script_enabled=False)
    page.goto(scene.connected())
    scene.pull()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("38 records from Mayo Clinic are here.")).to_be_visible()
    walking.done(page)


def test_a_portals_logo_is_shown_from_here_once_we_have_it(page, scene, server):
    picture = io.BytesIO()
    Image.new("RGB", (200, 200), "#a3231f").save(picture, "PNG")
    scene.hospital.on("/logo.png", Answer(body=picture.getvalue(), headers={"Content-Type": "image/png"}))
    scene.hospital.enter_catalogue("Zeta Hospital", "/fhir/z", logo_url=f"{scene.hospital.url}/logo.png")
    link = scene.link() + "/search?q=zeta"
    page.goto(link)
    expect(page.locator("ul.choices span.mark").first).to_have_text("Z")
    fetch_due()
    page.reload()
    logo = page.locator("ul.choices img.mark")
    expect(logo).to_have_js_property("naturalWidth", 128)
    assert logo.evaluate("image => image.src").startswith(server)
    keep_picture(page, "search-with-logo")
    assert findings(page) == []
