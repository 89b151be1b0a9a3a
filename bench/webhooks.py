"""Webhook delivery: worker throughput, time from commit to first attempt, and what a dead endpoint costs the others.

    DATABASE_URL=postgres://… REDIS_URL=redis://… python bench/webhooks.py [--events 5000] [--seconds 20] [--json FILE] [--quick]

The database is migrated, and SECRET_KEY and SEALING_KEYS are set. It makes an organisation of its own and deletes it. The
receiver is a process of its own, as is the Celery worker. The baseline of the throughput is a loop of POSTs over kept
connections with `requests`, on as many threads as the worker has attempts in flight, in the same run.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connect.settings")
os.environ.setdefault("OUTBOUND_ALLOW_INSECURE_HTTP", "1")
os.environ.setdefault("OUTBOUND_ALLOW_PRIVATE", "1")
os.environ.setdefault("LOG_LEVEL", "WARNING")

import django  # noqa: E402

django.setup()

import requests  # noqa: E402
from django.db import transaction  # noqa: E402

from connect.audit.actions import SYSTEM  # noqa: E402
from connect.organizations.models import Environment, Organization, Tenant  # noqa: E402
from webhooks import actions, claims, deliver  # noqa: E402
from webhooks.models import Endpoint, Event  # noqa: E402

OBJECT = {"id": "pf_bench", "resource_type": "patient_flow", "status": "complete", "metadata": {"k": "v" * 600}}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiving(asyncio.Protocol):
    """The leanest HTTP server there is: answers 200 and notes when which event came."""

    def __init__(self, seen):
        self.seen, self.buffer = seen, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            start = head.index(b"content-length:") + 15
            size = int(head[start:].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + size:
                return
            if (at := head.find(b"webhook-id: ")) >= 0:
                self.seen.append((head[at + 12 :].split(b"\r\n", 1)[0].decode().upper(), time.time()))
            self.buffer = self.buffer[end + 4 + size :]
            self.transport.write(ANSWER)


def receive(port_pipe):
    """The receiver's process: tells its port, then answers each message with what it has seen since."""

    async def main():
        seen = []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Receiving(seen), "127.0.0.1", 0, backlog=256)
        port_pipe.send(server.sockets[0].getsockname()[1])
        while True:
            await loop.run_in_executor(None, port_pipe.recv)
            port_pipe.send(list(seen))
            seen.clear()

    asyncio.run(main())


@contextmanager
def receiver():
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=receive, args=(there,), daemon=True)
    process.start()
    port = here.recv()

    def seen():
        here.send("seen")
        return here.recv()

    try:
        yield f"http://127.0.0.1:{port}/hook", seen
    finally:
        process.terminate()


def bare_loop(url: str, count: int, threads: int, body: bytes) -> float:
    """POSTs a second of a loop that does nothing else."""

    def post(n):
        session = requests.Session()
        for _ in range(n):
            session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=5)

    workers = [threading.Thread(target=post, args=(count // threads,)) for _ in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count // threads * threads / (time.perf_counter() - started)


def add_events(tenant, count: int) -> None:
    for start in range(0, count, 500):
        with transaction.atomic():
            for _ in range(min(500, count - start)):
                actions.outbox.write_events(tenant=tenant, type="patient_flow.completed", object=OBJECT)


def throughput(tenant, url: str, count: int) -> dict:
    """Events a second of one worker process draining a backlog, for one endpoint and for many."""
    figures = {}
    for endpoints in (1, 20):
        made = [endpoint(tenant, f"{url}/{n}") for n in range(endpoints)]
        add_events(tenant, count // endpoints)
        body = b"x" * 1000
        threads = 12 if endpoints == 1 else 36
        before = bare_loop(url, count, threads, body)
        started = time.perf_counter()
        deliver.drain(hot_seconds=0, round_seconds=600)
        rate = count / (time.perf_counter() - started)
        after = bare_loop(url, count, threads, body)
        bare = (before + after) / 2
        left = Event.objects.of(tenant).undelivered().count()
        figures[f"{endpoints} endpoints"] = {
            "worker_per_second": round(rate), "bare_per_second": round(bare), "ratio": round(rate / bare, 2), "left": left,
        }  # fmt: skip
        clear(made)
    return figures


def latency(tenant, url: str, seen, seconds: float, rate: int, dead: int) -> dict:
    """Milliseconds from commit to arrival at `rate` events a second, beside an endpoint with `dead` queued events."""
    made = []
    if dead:
        made.append(endpoint(tenant, "http://127.0.0.1:9/dead"))
        add_events(tenant, dead)
        Endpoint.objects.filter(pk=made[0].pk).update(events=["export.failed"])
    made += [endpoint(tenant, f"{url}/{n}") for n in range(5)]
    for n, one in enumerate(made[-5:]):
        one.revise(events=[["records.sync.completed", "records.sync.failed", "connection.active", "connection.expired",
                            "export.completed"][n]])  # fmt: skip
    types = [one.events[0] for one in made[-5:]]
    seen()
    committed = {}
    start = time.perf_counter()
    for n in range(int(seconds * rate)):
        with transaction.atomic():
            [event] = actions.emit(tenant=tenant, type=types[n % 5], object=OBJECT)
        committed[event.pk.upper()] = time.time()
        time.sleep(max(0, start + (n + 1) / rate - time.perf_counter()))
    time.sleep(2)
    arrived = dict(reversed(seen()))
    waits = sorted((arrived[key] - at) * 1000 for key, at in committed.items() if key in arrived)
    clear(made)
    return {
        "events": len(committed), "missing": len(committed) - len(waits), "p50_ms": round(statistics.median(waits), 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)], 1), "rate": round(len(committed) / (seconds or 1)),
    }  # fmt: skip


def endpoint(tenant, url):
    return actions.create_endpoint(
        tenant=tenant, url=url, events=["patient_flow.completed"], api_version="2026-04-25", by=SYSTEM
    )


def clear(endpoints) -> None:
    for one in endpoints:
        Endpoint.objects.filter(pk=one.pk).delete()
        claims.erase_history(one.pk)


@contextmanager
def celery_worker():
    command = [sys.executable, "-m", "celery", "-A", os.environ.get("BENCH_APP", "connect"), "worker", "-Q", "webhooks", "-P", "threads", "-c", "2",
               "-B", "-s", f"/tmp/beat-{os.getpid()}", "-l", "WARNING"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT)
    time.sleep(6)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--dead", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="must run, need not reach figures")
    options = parser.parse_args()
    if options.quick:
        options.events, options.seconds, options.dead = 400, 2, 300
    organization = Organization.objects.create(name="Bench", slug=f"bench-{os.getpid()}")
    tenant = Tenant(organization.pk, Environment.SANDBOX)
    try:
        with receiver() as (url, seen):
            figures = {"throughput": throughput(tenant, url, options.events)}
            with celery_worker():
                latency(tenant, url, seen, 2, 100, 0)
                figures["alone"] = latency(tenant, url, seen, options.seconds, 200, 0)
                figures["beside_a_dead_endpoint"] = latency(tenant, url, seen, options.seconds, 200, options.dead)
    finally:
        clear(Endpoint.objects.of(tenant))
        organization.delete()
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
