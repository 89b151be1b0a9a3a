"""Every page: axe finds nothing, nothing is cut off at 320 px, no fault in the console, no request to anybody else."""

import pytest

from tests.browser.checks import findings, keep_picture, overflow
from tests.browser.conftest import PHONE
from tests.browser.scenes import SCENES


@pytest.mark.parametrize("name", SCENES)
def test_every_page_can_be_used_by_everybody_in_both_languages(browser_window, scene, server, name):
    reach, heading = SCENES[name]
    path = reach(scene)
    faults, strangers = [], []
    for language in ("en", "es"):
        page = browser_window(locale=language)
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda asked: strangers.append(asked.url) if not asked.url.startswith(server) else None)
        look_at(page, path, f"{name}-{language}")
        assert page.locator("html").get_attribute("lang") == language
        assert (heading in page.locator("h1").inner_text()) == (language == "en")
    assert strangers == []
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []


def look_at(page, path: str, name: str) -> None:
    """On a desktop in light colours, on a phone in dark ones, and in the narrowest window."""
    page.goto(path)
    keep_picture(page, f"{name}-desktop")
    assert findings(page) == []
    page.set_viewport_size(PHONE)
    keep_picture(page, f"{name}-phone")
    page.emulate_media(color_scheme="dark")
    keep_picture(page, f"{name}-phone-dark")
    assert findings(page, again=True) == []
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow(page) <= 0
