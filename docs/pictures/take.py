"""Screenshots and the recording in this folder, taken from the real pages of a demo: `make pictures`.

The recording is an animated WebP: a frame a step, held as long as a reader needs, with the typing in between.
"""

import shutil
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.journeys import patient
from tests.journeys.stack import Stack, wait_until
from tests.services import CHROMIUM_FLAGS

HERE = Path(__file__).parent
PHONE = {"width": 390, "height": 780}
DESK = {"width": 1280, "height": 860}
PORTAL, PATIENT = "Plain portal", "volunteer-7"
RECORDING_WIDTH = 300
STILL_MS, STEP_MS, KEY_MS, LAST_MS = 1800, 900, 160, 3000


class Recording:
    """Frames with their durations, written as one file."""

    def __init__(self, page: Page):
        self.page = page
        self.frames: list[Image.Image] = []
        self.durations: list[int] = []

    def frame(self, milliseconds: int) -> None:
        picture = Image.open(BytesIO(self.page.screenshot())).convert("RGB")
        height = round(picture.height * RECORDING_WIDTH / picture.width)
        self.frames.append(picture.resize((RECORDING_WIDTH, height), Image.Resampling.LANCZOS))
        self.durations.append(milliseconds)

    def write(self, path: Path) -> None:
        first, *others = self.frames
        first.save(path, save_all=True, append_images=others, duration=self.durations, loop=0, quality=80, method=6)


def still(page: Page, name: str) -> None:
    """The page as a WebP of at most a few tens of kilobytes."""
    Image.open(BytesIO(page.screenshot())).convert("RGB").save(HERE / f"{name}.webp", quality=82, method=6)


def the_patient(stack: Stack, browser: Browser) -> None:
    """Picker Mode on a phone, recorded from the link to the way back."""
    flow = stack.call(
        "POST", "/patient-flows",
        {"patient_id": PATIENT, "return_url": f"{stack.base_url}/example/", "return_button_label": "TrialFinder"},
    )  # fmt: skip
    page = browser.new_context(locale="en-US", viewport=PHONE, device_scale_factor=1).new_page()
    recording = Recording(page)
    page.goto(flow["url"])
    recording.frame(STILL_MS)
    still(page, "start")
    box = page.get_by_label("Find your hospital, clinic or health plan")
    for letter in "plain portl":
        box.press_sequentially(letter)
        recording.frame(KEY_MS)
    page.get_by_role("option", name=PORTAL).first.wait_for(timeout=20_000)
    recording.frame(STILL_MS)
    page.keyboard.press("Escape")
    patient.search_and_choose(page, "plain portl", PORTAL)
    recording.frame(STILL_MS)
    patient.leave_for_portal(page)
    recording.frame(STEP_MS)
    patient.log_in(page)
    recording.frame(STILL_MS)
    patient.decide(page)
    patient.see_connected(page, PORTAL)
    recording.frame(STEP_MS)
    page.wait_for_timeout(4000)
    recording.frame(LAST_MS)
    recording.write(HERE / "flow.webp")


def the_integrator(stack: Stack, browser: Browser) -> None:
    """The example app, and what operators see."""
    page = browser.new_context(locale="en-US", viewport=DESK).new_page()
    page.goto(stack.access["example_app_url"])
    page.get_by_role("button", name="Connect", exact=True).click()
    patient.log_in(page)
    patient.decide(page)
    page.get_by_text("records.sync.completed").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)
    still(page, "example")
    page.goto(stack.access["admin_url"])
    page.get_by_label("Username").fill(stack.access["admin_user"])
    page.get_by_label("Password").fill(stack.access["admin_password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state("networkidle")
    still(page, "overview")


def take() -> None:
    folder = Path(tempfile.mkdtemp(prefix="connect-pictures-"))
    stack = Stack(folder)
    stack.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS)
            the_patient(stack, browser)
            wait_until(lambda: [pull for pull in stack.pulls_of(PATIENT) if pull["status"] == "completed"])
            the_integrator(stack, browser)
            browser.close()
    finally:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    take()
