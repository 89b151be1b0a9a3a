"""Run web, worker and schedule together until somebody says stop."""

import contextlib
import fcntl
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from connect.operations.demo.access_file import Access
from connect.operations.demo.processes import Child, stop_all

START_SECONDS = 60
STOP_PATIENCE_SECONDS = 8
RESTART_PAUSE_SECONDS = 1


class CannotRun(Exception):
    """The demo cannot start or go on; the message is one clear line."""


@contextlib.contextmanager
def sole_use_of(folder: Path):
    """Hold the data folder; a second demo on it is refused. The kernel lets go when we die, however we die."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "demo.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"Another demo is using {folder}. Stop it, or choose another: DATA_DIR=…") from None
        yield


def children(access: Access) -> list[Child]:
    """The three processes, with the same commands as in a container; only their settings differ."""
    environment = {
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
        "C_FORCE_ROOT": "1",
        **os.environ,
        "DEMO": "1",
        "DATA_DIR": str(settings.DATA_DIR),
        "PORT": str(settings.PORT),
        "BASE_URL": settings.BASE_URL,
        "WEB_BIND": f"127.0.0.1:{settings.PORT}",
        "WEB_PROCESSES": "1",
        "WEB_THREADS": "24",
        "WORKER_THREADS": "8",
        "BEAT_FILE": str(beat_file()),
        "SERVER_LOG_LEVEL": "warning",
        "EXAMPLE_API_URL": settings.BASE_URL,
        "EXAMPLE_API_KEY": access.api_key,
        "EXAMPLE_WEBHOOK_SECRET": access.webhook_secret,
        "EXAMPLE_DATA_DIR": str(settings.DATA_DIR / "example"),
    }
    command = str(settings.BASE_DIR / "bin" / "connect")

    def child(name: str, orphan_signal: int = signal.SIGKILL) -> Child:
        return Child(name, [command, name], settings.BASE_DIR, environment, orphan_signal)

    # gunicorn ends its own workers when it is told to quit; killed, it would leave them for a moment.
    return [child("web", signal.SIGQUIT), child("worker"), child("beat")]


def beat_file() -> Path:
    return settings.DATA_DIR / "beat" / "schedule"


def forget_schedule() -> None:
    """Beat's file holds nothing worth keeping (every schedule is a sweep), and a killed beat may leave half of it."""
    beat_file().parent.mkdir(parents=True, exist_ok=True)
    for file in beat_file().parent.iterdir():
        file.unlink(missing_ok=True)


def run(access: Access, *, when_ready: Callable[[], None]) -> None:
    """Start everything, call `when_ready` once the web answers, and stay until SIGINT, SIGTERM or SIGHUP.

    A child that dies later is started again; one that dies before we are ready ends the demo with CannotRun.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    forget_schedule()
    crew = children(access)
    try:
        for child in crew:
            child.start()
        _wait_until_ready(crew, stop)
        if not stop.is_set():
            when_ready()
        _keep_running(crew, stop)
    finally:
        stop_all(crew, patience_seconds=STOP_PATIENCE_SECONDS)
        forget_schedule()


def _wait_until_ready(crew: list[Child], stop: threading.Event) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not stop.is_set() and not _answers():
        for child in crew:
            if child.exit_code is not None:
                raise CannotRun(f"The {child.name} process ended at once; its last lines above say why.")
        if time.monotonic() > deadline:
            raise CannotRun(f"The web process did not answer within {START_SECONDS} seconds.")
        stop.wait(0.1)


def _answers() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", settings.PORT, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _keep_running(crew: list[Child], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        for child in crew:
            if child.exit_code is not None:
                print(f"The {child.name} process ended ({child.exit_code}); starting it again.", flush=True)
                stop.wait(RESTART_PAUSE_SECONDS)
                child.start()
