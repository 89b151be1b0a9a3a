"""The foreign servers of ../shared/peers: installed once into a cache outside the project, run from copies, stopped by
their process ids. Their ports are their own, so one test at a time uses them on a machine."""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[3]
SHARED = next((place for place in (PROJECT.parent / "shared", Path("/work/shared")) if place.is_dir()), None)
PEERS = SHARED / "peers" if SHARED else None
DATA = SHARED / "data" / "fhir" if SHARED else None
PACKAGES = ("sekmet-fhir==0.1.1", "django-oauth-toolkit==3.4.1")
START_SECONDS = 60


class NotHere(Exception):
    """The foreign servers cannot be had on this machine; the message says why."""


def are_laid() -> bool:
    """Whether ../shared has them, as it has in CI."""
    return bool(PEERS) and PEERS.is_dir()


def installed() -> Path:
    """The folder they are installed in. Raises NotHere."""
    if not are_laid():
        raise NotHere("../shared/peers is not here")
    if not shutil.which("npm"):
        raise NotHere("there is no npm")
    kind = hashlib.sha256("".join(PACKAGES).encode() + (PEERS / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = Path(os.environ.get("PEERS_DIR") or Path.home() / ".cache" / "connect-peers") / kind
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / "install.lock"):
        if not (home / "done").exists():
            _install(home)
            (home / "done").touch()
    return home


def _install(home: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(PEERS / name, home / name)
    uv = str(Path(sys.executable).with_name("uv"))
    steps = (
        [uv, "venv", "--quiet", "--clear", "v", "--python", sys.executable],
        [uv, "pip", "install", "--quiet", "--python", "v/bin/python", *PACKAGES],
        ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"],
    )
    for step in steps:
        done = subprocess.run(step, cwd=home, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            raise NotHere(f"{step[0]} failed: {done.stderr[-300:]}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def alone(home: Path) -> Iterator[Path]:
    """A fresh copy of the servers' own files to run in, and their ports to ourselves."""
    run = home / f"run-{os.getpid()}-{time.time_ns()}"
    with _locked(home / "ports.lock"):
        shutil.copytree(PEERS, run)
        for path in [run, *run.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
        try:
            yield run
        finally:
            shutil.rmtree(run, ignore_errors=True)


@contextmanager
def running(run: Path, command: list[str], port: int, **environment: str) -> Iterator[None]:
    """One server, until the end of the `with`."""
    log = (run / f"{port}.log").open("wb")
    process = subprocess.Popen(
        command, cwd=run, stdout=log, stderr=subprocess.STDOUT, env=_environment() | environment, start_new_session=True
    )
    try:
        _wait_for(port, process, run / f"{port}.log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        log.close()


def _environment() -> dict[str, str]:
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "PYTHONPATH", "PYTEST_CURRENT_TEST")
    return {name: value for name, value in os.environ.items() if name not in ours}


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"it ended: {log.read_text()[-500:]}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing came to listen on {port}")


@contextmanager
def fhir_server(home: Path, run: Path, *bundles: Path) -> Iterator[None]:
    """sekmet-fhir with these transaction bundles, at http://127.0.0.1:8081/fhir."""
    sekmet = [str(home / "v/bin/sekmet"), "serve", "--config", "sekmet.yaml", "--host", "127.0.0.1", "--port", "8081"]
    with running(run, sekmet, 8081):
        for bundle in bundles:
            request = urllib.request.Request(
                "http://127.0.0.1:8081/fhir", data=bundle.read_bytes(), method="POST",
                headers={"Content-Type": "application/fhir+json"},
            )  # fmt: skip
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 200
        yield


@contextmanager
def django_oauth_toolkit(home: Path, run: Path, **environment: str) -> Iterator[str]:
    """Its FHIR base URL: rotation, family revocation, `iss`."""
    python = str(home / "v/bin/python")
    subprocess.run([python, "dot_peer.py", "init"], cwd=run, env=_environment(), check=True, capture_output=True)
    with running(run, [python, "dot_peer.py", "run"], 8088, **environment):
        yield "http://127.0.0.1:8088/fhir"


@contextmanager
def oidc_provider(home: Path, run: Path, **environment: str) -> Iterator[str]:
    """Its FHIR base URL: public and confidential clients, private_key_jwt, ID tokens, `iss`."""
    with running(run, ["node", "oidc_provider_peer.mjs"], 8086, **environment):
        yield "http://127.0.0.1:8086/fhir"


@contextmanager
def oauth_mock(home: Path, run: Path) -> Iterator[str]:
    """Its token endpoint: 503 first, then invalid_grant, then tokens."""
    with running(run, ["node", "oauth_mock_peer.mjs"], 8089):
        yield "http://127.0.0.1:8089/token"


def search_total(resource_type: str, patient: str) -> int:
    """What the FHIR server itself counts."""
    url = f"http://127.0.0.1:8081/fhir/{resource_type}?patient={patient}&_count=1"
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)["total"]
