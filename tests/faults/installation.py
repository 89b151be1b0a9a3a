"""Connect as it is deployed: PostgreSQL, Redis, web, workers and beat, each a process that can be killed by itself."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

from connect.embedded import new_secrets
from connect.operations.demo.processes import die_with_parent
from tests.faults.portal import Portal
from tests.faults.services import Broker, Cluster, free_port
from tests.journeys.receiver import Receiver

ROOT = Path(__file__).resolve().parents[2]
NAME = "connect"
START_SECONDS = 90
UNSET = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "DJANGO_SETTINGS_MODULE", "ALLOWED_HOSTS", "EMAIL_URL")

# What an operator would do by hand: an organisation with a key, and the portal in its catalogue.
PREPARE = """
import json, sys
from connect import ids
from connect.organizations.models import SCOPES, ApiKey, Organization
from portals.models import Registration, Source
organization = Organization.objects.create(name="Trials", slug="trials", purpose="to find clinical trials")
secret = ApiKey.new_secret("sandbox")
key = ApiKey(organization=organization, environment="sandbox", name="faults", scopes=list(SCOPES))
key.adopt(secret)
key.save()
base = "{base}"
source = Source.objects.create(id=ids.source_id("sandbox", base), environment="sandbox", fhir_base_url=base, name="Portal")
Registration.objects.create(environment="sandbox", source=source, client_id="app")
print("PREPARED " + json.dumps([secret, source.pk]))
"""

# Everything that waits for a moment, brought nearer by as much: leases run out and retries come round without waiting.
NEARER = (
    ("pulls_pull", ("leased_until", "due_at"), "status IN ('queued', 'running', 'waiting')"),
    ("portals_connection", ("leased_until", "refresh_due_at"), "leased_until IS NOT NULL"),
    ("webhooks_event", ("leased_until", "next_attempt_at"), "status = 'pending'"),
    ("patientflows_attempt", ("leased_until",), "status = 'pending' AND leased_until IS NOT NULL"),
)


class Process:
    """One process of the installation, in a group of its own, writing to its own log."""

    def __init__(self, name: str, command: list[str], environment: dict, folder: Path):
        self.name, self.command, self.environment = name, command, environment
        self.log = folder / f"{name}.log"
        self.running: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.running = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=lambda: die_with_parent(signal.SIGKILL),  # noqa: PLW1509
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9, it and all it started."""
        self._send(signal.SIGKILL)
        self.running.wait()

    def ask_to_stop(self) -> None:
        self._send(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        try:
            self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    @property
    def is_alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, number)


class Installation:
    """Use as a context manager."""

    def __init__(self, folder: Path, *, workers: int = 2, portal: Portal | None = None, disk: Path | None = None):
        """`disk`: where the database's files are, in place of `folder`."""
        self.folder, self.port = folder, free_port()
        self.cluster, self.broker, self.receiver = Cluster(disk or folder), Broker(folder), Receiver()
        self.portal = portal or Portal()
        made = new_secrets()
        self.environment = {key: value for key, value in os.environ.items() if key not in UNSET} | {
            "DATABASE_URL": self.cluster.url(NAME), "REDIS_URL": self.broker.url, "DEMO": "1", "SANDBOX_ENABLED": "0",
            "EXAMPLE_ENABLED": "0", "PORT": str(self.port), "BASE_URL": self.base_url, "DATA_DIR": str(folder / "var"),
            "SECRET_KEY": made["secret_key"], "SEALING_KEYS": made["sealing_key"], "WEB_PROCESSES": "1",
            "WEB_BIND": f"127.0.0.1:{self.port}", "WORKER_THREADS": "6", "SERVER_LOG_LEVEL": "warning",
            "BEAT_FILE": str(folder / "beat"), "LOG_LEVEL": "INFO", "DATABASE_POOL_MAX": "10",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        self.web = self.process("web", "web")
        self.workers = [self.process(f"worker-{n}", "worker") for n in range(workers)]
        self.beat = self.process("beat", "beat")
        self.key = self.source_id = ""

    def process(self, name: str, part: str, **more: str) -> Process:
        """A process not yet started: `bin/connect web|worker|beat`."""
        environment = {**self.environment, "WORKER_NAME": name, **more}
        return Process(name, [str(ROOT / "bin" / "connect"), part], environment, self.folder)

    def restart_with(self, **environment: str) -> None:
        """Kill web and workers, and start them with these settings."""
        for process in (self.web, *self.workers):
            process.kill()
            process.environment = process.environment | environment
            process.start()
        self.wait_for_web()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[Process]:
        return [self.web, *self.workers, self.beat]

    def __enter__(self):
        try:
            self.cluster.start()
            self.broker.start()
            self.cluster.execute("postgres", f"CREATE DATABASE {NAME}")
            self.manage("migrate", "--noinput")
            told = self.manage("shell", "--no-imports", "-c", PREPARE.format(base=self.portal.fhir)).stdout
            self.key, self.source_id = json.loads(told.partition("PREPARED ")[2])
            for process in self.processes:
                process.start()
            self.wait_for_web()
            endpoint = self.call("POST", "/webhooks", {"url": self.receiver.url, "events": ["*"]})
            self.receiver.secret, self.endpoint_id = endpoint["secret"], endpoint["id"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            if process.is_alive:
                process.kill()
        with contextlib.suppress(subprocess.SubprocessError):
            self.cluster.stop("immediate")
        if self.broker.process and self.broker.process.poll() is None:
            self.broker.kill()
        self.portal.close()
        self.receiver.close()

    def manage(self, *command: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "manage.py", *command], cwd=ROOT, env=self.environment, check=False,
            capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stderr[-3000:]
        return done

    def wait_for_web(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.base_url}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"The web process does not answer:\n{self.web.log.read_text()[-2000:]}")

    def ask(self, method: str, path: str, body: dict | None = None, *, headers: dict | None = None, **query):
        headers = {"Authorization": f"Bearer {self.key}"} | (headers or {})
        return requests.request(
            method, self.base_url + path, json=body, params=query, headers=headers, timeout=30, allow_redirects=False
        )

    def call(self, method: str, path: str, body: dict | None = None, **query) -> dict:
        answer = self.ask(method, path, body, **query)
        assert answer.status_code == 200, answer.text[:500]
        return answer.json()

    def records(self, patient_id: str) -> dict[str, dict]:
        found, cursor = {}, None
        while True:
            more = {"starting_after": cursor} if cursor else {}
            page = self.call("GET", f"/patients/{patient_id}/records", count=100, **more)
            for item in page["data"]:
                key = f"{item['resource']['resourceType']}/{item['resource']['id']}"
                assert key not in found, f"{key} came twice"
                found[key] = item["resource"]
            if not page["has_more"]:
                return found
            cursor = page["next_cursor"]

    def let_time_pass(self, seconds: int = 300) -> None:
        """Bring everything that waits nearer, instead of waiting for it."""
        for table, columns, where in NEARER:
            moved = ", ".join(f"{column} = {column} - interval '{seconds} s'" for column in columns)
            self.cluster.execute(NAME, f"UPDATE {table} SET {moved} WHERE {where}")
        self.broker.flush()  # what it remembers of the last seconds would be over too

    def logs(self) -> str:
        return "".join(process.log.read_text(errors="replace") for process in self.processes if process.log.exists())
