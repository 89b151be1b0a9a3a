"""Every page: axe finds nothing, nothing is cut off at 320 px, no fault in the console, no request to anybody else."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import PHONE
from tests.browser.scenes import SCENES

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PICTURES = os.environ.get("BROWSER_PICTURES", "")  # a folder to keep screenshots in, to be looked at


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


def findings(axe: Axe, page) -> list[str]:
    found = axe.run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def overflow(page) -> int:
    """How many pixels the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def keep_picture(page, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(exist_ok=True)
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", SCENES)
def test_every_page_can_be_used_by_everybody(browser_window, scene, axe, server, name, language):
    reach, heading = SCENES[name]
    path = reach(scene)
    page = browser_window(locale=language)
    faults, strangers = [], []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: strangers.append(asked.url) if not asked.url.startswith(server) else None)
    page.goto(path)
    assert page.locator("html").get_attribute("lang") == language
    if language == "en":
        assert heading in page.locator("h1").inner_text()
    keep_picture(page, f"{name}-{language}-desktop")
    assert findings(axe, page) == []
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    keep_picture(page, f"{name}-{language}-phone-dark")
    assert findings(axe, page) == []
    page.emulate_media(color_scheme="light")
    keep_picture(page, f"{name}-{language}-phone")
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow(page) <= 0
    assert strangers == []
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
