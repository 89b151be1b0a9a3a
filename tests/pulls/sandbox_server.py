"""The pretend portals as a process of their own, reached over real HTTP: `python -m tests.pulls.sandbox_server PORT`.

It runs the sandbox app and nothing else of Connect, on a database of its own below `SANDBOX_DATA_DIR`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from portals.sandbox.generate import generate
from portals.sandbox.variants import VARIANTS
from tests.journeys.stack import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


class Sandbox:
    """A running sandbox. `fhir(slug)` is the FHIR base of a variant. `hurried`: its portals let nobody wait for long."""

    def __init__(self, folder: Path, *, bundles: str = "", huge: int = 20_000, hurried: bool = False):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = os.environ | {
            "SANDBOX_DATA_DIR": str(folder), "SANDBOX_BUNDLES": bundles, "SANDBOX_HUGE_RESOURCES": str(huge),
            "SANDBOX_HURRIED": "1" if hurried else "",
        }  # fmt: skip
        if not bundles:
            _bring_patients(folder)
        self.log = folder / "sandbox.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.pulls.sandbox_server", str(self.port)], cwd=ROOT, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self.accounts = requests.get(f"{self.url}/sandbox/accounts.json", timeout=30).json()["accounts"]
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                time.sleep(0.05)
        raise AssertionError("the sandbox did not start")

    def fhir(self, slug: str) -> str:
        return f"{self.url}/sandbox/{slug}/fhir"

    def holdings(self, slug: str, patient: str) -> list[bytes]:
        """Everything the portal holds of a patient: the very bytes, a resource each."""
        answer = requests.get(f"{self.url}/sandbox/{slug}/holdings/{patient}.ndjson", timeout=60)
        answer.raise_for_status()
        return answer.content.splitlines()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _bring_patients(folder: Path) -> None:
    """The generated patients, made once a machine: they are the same each time."""
    made = Path(tempfile.gettempdir()) / f"connect-test-patients-{os.getuid()}"
    generate(made)
    shutil.copytree(made, folder / "generated", dirs_exist_ok=True)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(WSGIRequestHandler):
    def log_message(self, *args):
        """Quiet."""


def hurry() -> None:
    """The same faults with shorter waits; access that was short ends in the middle of a pull."""
    shorter = {
        "slow": {"delay_seconds": 0.05}, "rate-limited": {"rate_limit": (30, 1)}, "outage": {"outage_seconds": 1},
        "flaky": {"retry_after_seconds": 0}, "short-access": {"access_seconds": 2},
        "rotating-refresh": {"access_seconds": 2},
    }  # fmt: skip
    for slug, changed in shorter.items():
        VARIANTS[slug] = replace(VARIANTS[slug], **changed)


def serve(port: int) -> None:
    folder = Path(os.environ["SANDBOX_DATA_DIR"])
    settings.configure(
        SECRET_KEY="sandbox", ALLOWED_HOSTS=["*"], ROOT_URLCONF="tests.portals.sandbox.urls", USE_TZ=True,
        INSTALLED_APPS=["django.contrib.staticfiles", "portals.sandbox"], STATIC_URL="/static/",
        SANDBOX_DATA_DIR=str(folder), SANDBOX_BUNDLES=os.environ["SANDBOX_BUNDLES"],
        SANDBOX_HUGE_RESOURCES=int(os.environ["SANDBOX_HUGE_RESOURCES"]), DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        DATABASES={"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": folder / f"sandbox-{port}.sqlite3",
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE",
                        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;"},
        }},
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [ROOT / "templates"],
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }],
    )  # fmt: skip
    application = get_wsgi_application()
    if os.environ["SANDBOX_HURRIED"]:
        hurry()
    call_command("migrate", verbosity=0)
    call_command("sandbox_data", verbosity=0)
    make_server("127.0.0.1", port, application, _Server, _Handler).serve_forever(0.05)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
