"""The web process as it is run in production, with the bare views beside it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request

from bench.environment import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def web(threads: int = 8):
    """One gunicorn process on a port of its own; yields its base URL and its process."""
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "connect.wsgi:application", "--bind", f"127.0.0.1:{port}", "--workers", "1",
        "--worker-class", "gthread", "--threads", str(threads), "--log-level", "error", "--keep-alive", "30",
    ]  # fmt: skip
    environment = {**os.environ, "BASE_URL": f"http://127.0.0.1:{port}", "PORT": str(port)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.05)
    raise RuntimeError("The web process did not start.")
