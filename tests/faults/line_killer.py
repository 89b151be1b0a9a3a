"""Workers that die before a chosen line: `python -m tests.faults.line_killer`.

For each line of JSON on its input a child is forked that does one job: `{"job": "refresh", "what": {…}, "before":
"portals/refresh.py:41"}`. The first time that line of Connect is about to run, in whichever thread, the child gets
SIGKILL. Without `before` it works to the end and the answer lists the lines it came to, each with how many effects
(statements, commits, calls, renamed files) the world had seen by then. Nothing of the product knows of it.

The parent has loaded everything and connects to nothing, so a worker costs a fork.
"""

import json
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import django

django.setup()

from http.client import HTTPConnection, HTTPResponse  # noqa: E402

from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: E402
from django.db.backends.utils import CursorWrapper  # noqa: E402
from django.test import Client  # noqa: E402

from connect.wsgi import application  # noqa: E402, F401 - the whole site is loaded before the first fork
from portals.refresh import refresh_connection  # noqa: E402
from portals.smart.errors import SmartError  # noqa: E402
from pulls import run as pulling  # noqa: E402
from pulls.exports.run import run_export  # noqa: E402
from tests.factories import ApiClient  # noqa: E402
from webhooks.deliver import drain  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = tuple(f"{ROOT}/{name}/" for name in ("connect", "patientflows", "portals", "pulls", "webhooks"))


def refresh(connection_id: str) -> None:
    with suppress(SmartError):
        refresh_connection(connection_id)


def pull(pull_id: str) -> None:
    pulling.BACKOFF_SECONDS = 0.01
    pulling.run_pull(pull_id)


def deliver() -> None:
    drain(hot_seconds=0)


def export(export_id: str) -> None:
    run_export(export_id)


def visit(url: str, cookies: dict[str, str]) -> None:
    """A browser's request."""
    client = Client()
    for name, value in cookies.items():
        client.cookies[name] = value
    client.get(url)


def create_flow(secret: str, body: dict, key: str) -> None:
    ApiClient(secret).create("/patient-flows", body, **{"Idempotency-Key": key})


JOBS = {job.__name__: job for job in (refresh, pull, deliver, export, visit, create_flow)}


class Lines:
    """Every line that is come to, with the number of effects before it; `before` ends the process."""

    def __init__(self, before: str | None):
        self.before, self.effects = before, 0
        self.reached: dict[str, int] = {}

    def watch(self) -> None:
        for owner, name in (
            (CursorWrapper, "execute"), (CursorWrapper, "executemany"), (BaseDatabaseWrapper, "_commit"),
            (HTTPConnection, "send"), (HTTPResponse, "begin"), (os, "replace"), (os, "rename"), (os, "fsync"),
        ):  # fmt: skip
            setattr(owner, name, self._counted(getattr(owner, name)))
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def _counted(self, effect):
        def counted(*arguments, **more):
            try:
                return effect(*arguments, **more)
            finally:
                self.effects += 1

        return counted

    def _enter(self, frame, event, argument):
        return self._step if frame.f_code.co_filename.startswith(PACKAGES) else None

    def _step(self, frame, event, argument):
        if event == "line":
            place = f"{os.path.relpath(frame.f_code.co_filename, ROOT)}:{frame.f_lineno}"
            if place == self.before:
                os.kill(os.getpid(), signal.SIGKILL)
            self.reached.setdefault(place, self.effects)
        return self._step


def work(asked: dict, out: int) -> None:
    lines = Lines(asked.get("before"))
    lines.watch()
    try:
        JOBS[asked["job"]](**asked["what"])
    finally:
        sys.settrace(None)
        threading.settrace(None)
    os.write(out, json.dumps(lines.reached).encode())


def fork(asked: dict) -> dict:
    """`ended`: 0, or minus the signal; `lines` of one that came to its end."""
    inlet, outlet = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(asked, outlet)
        except BaseException:  # noqa: BLE001 - whatever it was, the test is to see it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(outlet)
    with os.fdopen(inlet, "rb") as said:
        lines = said.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"ended": ended, "lines": json.loads(lines) if lines else {}}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
