"""How long processes take to be ready, and what they hold when they are."""

import contextlib
import os
import subprocess
import sys
import time

import psutil

from bench.environment import ROOT
from bench.report import Figure, below
from bench.server import web

MEGABYTE = 1024**2


def measure(quick: bool) -> list[Figure]:
    """Seconds until the web answers and until a worker takes tasks; their memory then."""
    began = time.perf_counter()
    with web() as (_, process):
        seconds = time.perf_counter() - began
        held = memory(process.pid)
    worker_seconds, worker_held = worker()
    return [
        below("web ready", seconds, "s", 2),
        below("web process, at rest", held, "MB", 150),
        below("worker ready", worker_seconds, "s", 3),
        below("worker process, at rest", worker_held, "MB", 250),
    ]


def worker() -> tuple[float, float]:
    """Start `bin/connect worker`'s own command; it is ready when Celery says so."""
    command = [sys.executable, "-m", "celery", "-A", "connect", "worker", "--pool", "threads", "--concurrency", "2",
               "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "info"]  # fmt: skip
    environment = {**os.environ, "LOG_LEVEL": "INFO"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout or ():
            if "ready" in line:
                return time.perf_counter() - began, memory(process.pid)
        raise RuntimeError("The worker ended before it was ready.")
    finally:
        process.terminate()
        process.wait(20)


def memory(pid: int) -> float:
    """MB held by the largest process of a family (gunicorn's own master is small)."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    sizes = []
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            sizes.append(one.memory_info().rss / MEGABYTE)
    return max(sizes)
