"""Patients and an app who go on whatever happens: they reload, they try again, as people and good clients do."""

import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import requests

from tests.faults.installation import Installation

PATIENCE_SECONDS = 120
PAUSE_SECONDS = 0.3


class GaveUp(AssertionError):
    """Nothing worked for longer than anybody would try."""


@dataclass
class Story:
    """One patient's way from link to return. `flows`: every link it took; only a refused code takes another."""

    installation: Installation
    patient_id: str
    flows: list[str] = field(default_factory=list)
    is_back: bool = False
    failure: str = ""

    def run(self) -> None:
        try:
            self._until_connected()
            self.is_back = True
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the story
            self.failure = f"{type(error).__name__}: {error}"

    def _until_connected(self) -> None:
        for attempt in range(4):
            flow = self._persist(lambda attempt=attempt: self._open(attempt))
            self.flows.append(flow["id"])
            back = self._persist(lambda flow=flow: self._go(flow["url"]))
            if parse_qs(urlsplit(back).query).get("success") == ["true"]:
                return
        raise GaveUp(f"{self.patient_id} was refused four times")

    def _open(self, attempt: int) -> dict | None:
        body = {"patient_id": self.patient_id, "return_url": self.installation.receiver.return_url,
                "connection_id": self.installation.source_id}  # fmt: skip
        answer = self.installation.ask(
            "POST", "/patient-flows", body, headers={"Idempotency-Key": f"{self.patient_id}-{attempt}"}
        )
        return answer.json() if answer.status_code == 200 else None

    def _go(self, link: str) -> str | None:
        """From the link to where the app is: None when something on the way has to be tried again."""
        browser = requests.Session()
        left = browser.get(link, allow_redirects=False, timeout=30)
        if left.status_code != 302:
            return self._finished_meanwhile(left)
        callback = self.installation.portal.consent(left.headers["Location"], self.patient_id)
        return self._persist(lambda: self._come_back(browser, callback))

    def _come_back(self, browser: requests.Session, callback: str) -> str | None:
        answer = browser.get(callback, allow_redirects=False, timeout=30)
        return answer.headers["Location"] if answer.status_code in (302, 303) else None

    def _finished_meanwhile(self, answer: requests.Response) -> str | None:
        """The link says that it was used: an earlier try got further than its answer did."""
        if answer.status_code == 200 and self.flows:
            flow = self.installation.call("GET", f"/patient-flows/{self.flows[-1]}")
            if flow["status"] == "complete":
                connected = any(each["status"] == "active" for each in flow["connections"])
                return f"http://back/?success={'true' if connected else 'false'}"
        return None

    def _persist(self, step):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                result = step()
            except (requests.RequestException, AssertionError):
                result = None
            if result is not None:
                return result
            time.sleep(PAUSE_SECONDS)
        raise GaveUp(f"{self.patient_id}: nothing worked for {PATIENCE_SECONDS} s")


def begin(
    installation: Installation, names: list[str], *, apart_seconds: float = 0.2
) -> list[tuple[Story, threading.Thread]]:
    """Start the stories one after the other, side by side."""
    running = []
    for name in names:
        story = Story(installation, name)
        thread = threading.Thread(target=story.run, daemon=True)
        thread.start()
        running.append((story, thread))
        time.sleep(apart_seconds)
    return running
