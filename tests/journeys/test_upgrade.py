"""An upgrade without a pause: the old and the new code on one database, under traffic that never fails.

The old code is UPGRADE_FROM (a git ref), else the last release's tag, else what was before the last change of the schema;
the new code is today's with one more migration that widens a table in use.
"""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from connect.embedded import new_secrets
from tests.journeys.conftest import engine_of_its_own
from tests.journeys.receiver import Receiver
from tests.journeys.stack import ROOT, free_port, wait_until

MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("organizations", "{last}")]
    operations = [migrations.AddField("patient", "rehearsed", models.CharField(max_length=9, null=True))]
"""


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=60, check=True).stdout


def old_ref() -> str:
    if os.environ.get("UPGRADE_FROM"):
        return os.environ["UPGRADE_FROM"]
    with contextlib.suppress(subprocess.CalledProcessError):
        return git("describe", "--tags", "--abbrev=0", "--match", "v*").decode().strip()
    with contextlib.suppress(subprocess.CalledProcessError):
        last_schema_change = git("log", "-1", "--format=%H", "--", "*/migrations/0*.py").decode().strip()
        return git("rev-parse", "--verify", f"{last_schema_change}^").decode().strip()
    return "HEAD"  # a clone without history


def unpack(ref: str, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=git("archive", ref), timeout=60, check=True)
    return folder


class Version:
    """One version of the code, its processes on the common database."""

    def __init__(self, code: Path, settings: dict[str, str]):
        self.code, self.port = code, free_port()
        self.settings = settings | {"PORT": str(self.port), "DATA_DIR": str(code / "var")}
        self.running: dict[str, subprocess.Popen] = {}

    def run(self, *command: str) -> str:
        ended = subprocess.run(
            command, cwd=self.code, env=self.settings, capture_output=True, text=True, timeout=300, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def start(self, name: str) -> None:
        log = open(self.code / f"{name}.log", "wb")  # noqa: SIM115 - the process writes to it until it ends
        self.running[name] = subprocess.Popen(
            ["bin/connect", name], cwd=self.code, env=self.settings, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"http://127.0.0.1:{self.port}/health", timeout=2).ok
        return False

    def stop(self, name: str) -> int:
        """SIGTERM, and wait: what it has begun it finishes."""
        process = self.running.pop(name)
        process.terminate()
        return process.wait(timeout=60)

    def kill(self) -> None:
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Traffic(threading.Thread):
    """An app that goes on calling, through whichever web processes are in service."""

    def __init__(self, key: str):
        super().__init__(daemon=True)
        self.headers = {"Authorization": f"Bearer {key}"}
        self.ports: list[int] = []
        self.served: dict[int, int] = {}
        self.failures: list[str] = []
        self.over = threading.Event()

    def call(self, port: int, method: str, path: str, body: dict | None = None) -> dict:
        answer = requests.request(method, f"http://127.0.0.1:{port}{path}", json=body, headers=self.headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for port in list(self.ports):
                try:
                    flow = self.call(
                        port, "POST", "/patient-flows", {"patient_id": "p-1", "return_url": "https://a.example/"}
                    )
                    self.call(port, "GET", f"/patient-flows/{flow['id']}")
                    self.served[port] = self.served.get(port, 0) + 1
                except requests.RequestException as error:
                    self.failures.append(repr(error))

    def goes_on(self, port: int) -> None:
        """Wait until this process has served a few more calls."""
        enough = self.served.get(port, 0) + 5
        wait_until(lambda: self.served.get(port, 0) >= enough, seconds=60)


@pytest.fixture
def own_engine():
    """Apart from the other journeys' stack: its workers would take this one's work."""
    with engine_of_its_own(13) as settings:
        yield settings


@pytest.fixture
def versions(own_engine, tmp_path):
    """The old code and the new, stopped afterwards."""
    if not own_engine:
        pytest.skip("An upgrade without a pause is PostgreSQL's.")
    made = new_secrets()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "WEB_PROCESSES": "1",
        "WORKER_THREADS": "2", "DATABASE_URL": own_engine["database_url"], "REDIS_URL": own_engine["redis_url"],
        "SECRET_KEY": made["secret_key"], "SEALING_KEYS": made["sealing_key"], "ADMIN_PASSWORD": secrets.token_hex(12),
        "OUTBOUND_ALLOW_PRIVATE": "true", "OUTBOUND_ALLOW_INSECURE_HTTP": "true", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    old = Version(unpack(old_ref(), tmp_path / "old"), environment)
    new = Version(unpack("HEAD", tmp_path / "new"), environment)
    folder = new.code / "connect" / "organizations" / "migrations"
    last = max(path.stem for path in folder.glob("0*.py"))
    (folder / "9999_rehearsal.py").write_text(MIGRATION.format(last=last))
    yield old, new
    old.kill()
    new.kill()


@pytest.fixture
def traffic(versions):
    old, _ = versions
    old.run("bin/connect", "migrate")
    key = re.search(
        r"mb_sk_sbx_\S+", old.run("python", "manage.py", "setup", "--organization", "Old", "--admin", "ada")
    )
    calling = Traffic(key[0])
    yield calling
    calling.over.set()


@pytest.fixture
def listening():
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_no_call_fails_while_the_code_is_changed(versions, traffic, listening):
    old, new = versions
    for name in ("web", "worker", "beat"):
        old.start(name)
    wait_until(old.answers)
    traffic.ports = [old.port]
    traffic.start()
    traffic.goes_on(old.port)

    new.run("bin/connect", "migrate")
    traffic.goes_on(old.port)
    new.start("web")
    wait_until(new.answers)
    traffic.ports = [old.port, new.port]
    traffic.goes_on(old.port)
    traffic.goes_on(new.port)

    endpoint = traffic.call(old.port, "POST", "/webhooks", {"url": listening.url, "events": ["patient_flow.expired"]})
    listening.secret = endpoint["secret"]
    flow = traffic.call(new.port, "POST", "/patient-flows", {"patient_id": "p-2", "return_url": "https://a.example/"})
    old.stop("worker")
    old.stop("beat")
    traffic.call(old.port, "POST", f"/patient-flows/{flow['id']}/expire", {})
    traffic.ports = [new.port]
    time.sleep(0.5)  # what a balancer allows for calls that are on their way
    old.stop("web")
    traffic.goes_on(new.port)

    new.start("worker")
    new.start("beat")
    wait_until(lambda: listening.of("p-2", "patient_flow.expired"), seconds=60)
    assert traffic.failures == []
