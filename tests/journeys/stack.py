"""The whole of Connect, started as a user starts it, on a free port with data of its own; killed and started at will."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import requests

from connect.embedded import new_secrets

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 170
STOP_SECONDS = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stack:
    """`make demo`'s own command in a process group of its own."""

    def __init__(self, folder: Path, *, database_url: str = "", redis_url: str = "", **settings: str):
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen | None = None
        self.access: dict = {}
        names = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "SECRET_KEY", "SEALING_KEYS", "DJANGO_SETTINGS_MODULE",
                 "BASE_URL", "ALLOWED_HOSTS", "EMAIL_URL")  # fmt: skip
        self.environment = {key: value for key, value in os.environ.items() if key not in names}
        self.environment |= {"DEMO": "1", "PORT": str(self.port), "DATA_DIR": str(folder), **settings}
        if database_url:
            made = new_secrets()
            self.environment |= {
                "DATABASE_URL": database_url, "REDIS_URL": redis_url,
                "SECRET_KEY": made["secret_key"], "SEALING_KEYS": made["sealing_key"],
            }  # fmt: skip

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "stack.log").read_text(errors="replace")

    def start(self) -> float:
        """Start and wait until it serves; returns the seconds that took."""
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        told = self.folder / "demo.json"
        stale = told.stat().st_mtime_ns if told.exists() else 0
        with open(self.folder / "stack.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo"], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        while time.monotonic() - began < START_SECONDS:
            if self.process.poll() is not None:
                raise AssertionError(f"The stack ended:\n{self.log[-3000:]}")
            with contextlib.suppress(OSError, ValueError):
                if told.stat().st_mtime_ns != stale:
                    self.access = json.loads(told.read_text())
                    return time.monotonic() - began
            time.sleep(0.1)
        raise AssertionError(f"The stack did not start in {START_SECONDS} s:\n{self.log[-3000:]}")

    def family(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill_everything(self) -> None:
        """kill -9 of every process, the supervisor first, as when the power goes."""
        family = self.family()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(family, timeout=STOP_SECONDS)
        self.process.wait()

    def kill_supervisor(self) -> list[psutil.Process]:
        """kill -9 of the supervisor alone; returns those it left."""
        family = self.family()
        family[0].kill()
        self.process.wait()
        return family[1:]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; returns its exit code."""
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else 0
        self.process.send_signal(number)
        return self.process.wait(timeout=STOP_SECONDS)

    # The public API -------------------------------------------------------------------------------
    def call(self, method: str, path: str, body: dict | None = None, **parameters) -> dict:
        """A call that must succeed."""
        answer = requests.request(
            method, self.base_url + path, json=body, params=parameters, timeout=30,
            headers={"Authorization": f"Bearer {self.access['api_key']}"},
        )  # fmt: skip
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def every(self, path: str, page_size: str = "limit", **parameters) -> list[dict]:
        """All pages of a list."""
        found, cursor = [], None
        while True:
            more = {"starting_after": cursor} if cursor else {}
            page = self.call("GET", path, **{page_size: 100}, **parameters, **more)
            found += page["data"]
            if not page["has_more"]:
                return found
            cursor = page["next_cursor"]

    def source(self, name: str) -> dict:
        """The pretend portal of this name."""
        return next(source for source in self.every("/connections", type="sandbox") if source["name"] == name)

    def pulls_of(self, patient_id: str) -> list[dict]:
        return [pull for pull in self.every("/pulls") if pull["patient_id"] == patient_id]

    def records(self, patient_id: str) -> dict[str, dict]:
        """`Type/id` → resource, of everything Connect has of the patient."""
        items = self.every(f"/patients/{patient_id}/records", page_size="count")
        return {f"{item['resource']['resourceType']}/{item['resource']['id']}": item["resource"] for item in items}

    # What the portal has --------------------------------------------------------------------------
    def account(self, username: str = "patient") -> dict:
        accounts = requests.get(f"{self.base_url}/sandbox/accounts.json", timeout=30).json()["accounts"]
        return next(account for account in accounts if account["username"] == username)

    def holdings(self, portal: str, patient: str) -> dict[str, dict]:
        """`Type/id` → resource, of everything the pretend portal holds of its patient."""
        answer = requests.get(f"{self.base_url}/sandbox/{portal}/holdings/{patient}.ndjson", timeout=60)
        resources = [json.loads(line) for line in answer.text.splitlines() if line]
        return {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources}


def wait_until(check, *, seconds: float = 60, every: float = 0.25):
    """The first true answer of `check`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{check} stayed false for {seconds} s")
