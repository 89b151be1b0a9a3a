"""The patient's own page (contract 8) in a browser: see, download, keep the receipt, stop, turn off."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core import mail
from playwright.sync_api import expect

from portals.models import Connection
from tests.browser import walking
from tests.browser.checks import findings, keep_picture
from tests.patientflows.visitor import path_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mine(page, scene):
    """The patient's page after one connection whose records are here."""
    walking.connect(page, scene.flow(patient_email="ann@example.org")["url"])
    scene.pull()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open your page").click()
    return opened.value


def test_it_shows_what_is_connected_since_when_and_when_records_came(mine):
    card = mine.get_by_role("article", name="Cleveland Clinic")
    expect(card.get_by_text("Connected", exact=True)).to_be_visible()
    expect(card.get_by_text("Not yet")).to_have_count(0)
    expect(mine).to_have_title("Your page")


def test_everything_can_be_downloaded_as_ndjson(mine):
    with mine.expect_download() as downloaded:
        mine.get_by_role("link", name="Download my records").click()
    lines = Path(downloaded.value.path()).read_text().splitlines()
    types = [json.loads(line)["resourceType"] for line in lines]
    assert (types.count("Patient"), types.count("Observation")) == (1, 37)
    assert downloaded.value.suggested_filename == "my-health-records.ndjson"


def test_sharing_is_stopped_after_asking_once(mine):
    mine.get_by_role("link", name="Stop sharing").click()
    mine.get_by_role("link", name="No, keep it").click()
    assert Connection.objects.get().is_active
    mine.get_by_role("link", name="Stop sharing").click()
    mine.get_by_role("button", name="Stop sharing").click()
    expect(mine.get_by_text("Stopped", exact=True)).to_be_visible()
    assert Connection.objects.get().status == "disconnected"
    mine.go_back()
    mine.reload()
    assert findings(mine) == []


def test_the_receipt_is_read_printed_and_checked_offline_with_one_command(mine, scene, tmp_path):
    mine.get_by_role("link", name="What you agreed to").click()
    expect(mine.get_by_text("TrialFinder asks for a copy of your health records")).to_be_visible()
    mine.emulate_media(media="print")
    keep_picture(mine, "receipt-printed")
    expect(mine.get_by_role("link", name="Download it as a signed file")).to_be_hidden()
    mine.emulate_media(media="screen")
    with mine.expect_download() as downloaded:
        mine.get_by_role("link", name="Download it as a signed file").click()
    downloaded.value.save_as(tmp_path / "receipt.json")
    keys = mine.request.get("/.well-known/consent-receipt-keys.json").text()
    (tmp_path / "keys.json").write_text(keys)
    said = check(tmp_path)
    assert said.returncode == 0
    assert "let TrialFinder have records of Cleveland Clinic" in said.stdout
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    receipt["receipt"]["organization"]["name"] = "Somebody else"
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    assert check(tmp_path).returncode == 1


def check(folder: Path) -> subprocess.CompletedProcess:
    """The documented command (docs/receipts.md)."""
    command = [sys.executable, "-m", "patientflows.receipts.verify", folder / "receipt.json", folder / "keys.json"]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_link_comes_by_email(mine):
    mine.get_by_role("button", name="Send me this link by e-mail").click()
    expect(mine.get_by_role("status")).to_have_text("We have sent you the link by e-mail.")
    (sent,) = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert path_of(mine.url).split("?")[0] in sent.body
    assert "Cleveland" not in sent.body + sent.subject
    mine.get_by_role("button", name="Send me this link by e-mail").click()
    expect(mine.get_by_role("status")).to_have_text("We could not send the e-mail. Please try again later.")
    assert len(mail.outbox) == 1


def test_a_link_that_was_turned_off_opens_nothing(mine):
    link = mine.url
    mine.get_by_role("link", name="Turn off this link").click()
    mine.get_by_role("button", name="Turn it off").click()
    expect(mine.get_by_role("heading", name="The link is off")).to_be_visible()
    assert findings(mine) == []
    assert mine.goto(link).status == 404
    expect(mine.get_by_role("heading", name="We do not know this link")).to_be_visible()


def test_it_speaks_the_language_chosen_there(mine):
    mine.get_by_role("button", name="Español").click()
    expect(mine.get_by_role("heading", name="Su historial conectado")).to_be_visible()
    mine.get_by_role("link", name="Dejar de compartir").click()
    expect(mine.get_by_role("heading", name="¿Dejar de compartir desde Cleveland Clinic?")).to_be_visible()
