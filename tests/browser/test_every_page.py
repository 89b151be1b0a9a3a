"""Every page: axe finds nothing, nothing is cut off at 320 px, no fault in the console, no request to anybody else."""

import pytest

from tests.browser.checks import findings, keep_picture, overflow
from tests.browser.conftest import PHONE
from tests.browser.scenes import SCENES


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("name", SCENES)
def test_every_page_can_be_used_by_everybody(browser_window, scene, server, name, language):
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
    assert findings(page) == []
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    keep_picture(page, f"{name}-{language}-phone-dark")
    assert findings(page, again=True) == []
    page.emulate_media(color_scheme="light")
    keep_picture(page, f"{name}-{language}-phone")
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow(page) <= 0
    assert strangers == []
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
