"""Reading records: pages and the NDJSON stream, against the same bytes served bare by the same process."""

import time
import urllib.request

import psutil
from django.conf import settings

from bench import load, world
from bench.portal import portal
from bench.pulling import new_connection, pull
from bench.report import Figure, below, rate
from bench.server import web
from connect.organizations.models import ApiKey


def measure(quick: bool) -> list[Figure]:
    """Requests a second of a page of 100; bytes a second, first byte and memory of the export."""
    count = 300 if quick else 50_000
    with portal({"Observation": count}) as root:
        connection = new_connection(f"{root}/fhir", "reader")
        pull(connection)
    world.analyze()
    key = ApiKey(organization_id=connection.organization_id, environment="sandbox", name="r", scopes=["records:read"])
    secret = ApiKey.new_secret("sandbox")
    key.adopt(secret)
    key.save()
    headers = {"Authorization": f"Bearer {secret}"}
    with web() as (base, process):
        return [pages(base, headers, quick), *export(base, headers, process)]


def pages(base: str, headers: dict, quick: bool) -> Figure:
    path = "/patients/reader/records"
    body = urllib.request.urlopen(urllib.request.Request(base + path, headers=headers)).read()
    (settings.DATA_DIR / "page").write_bytes(body)
    ours, bare = load.alternating(
        base, lambda n: ("GET", path, None, headers), lambda n: ("GET", "/bare/bytes/page", None, {}),
        count=20 if quick else 300,
    )  # fmt: skip
    return rate("GET /records, 100 a page", ours, bare, "req/s", 0.5)


def export(base: str, headers: dict, process) -> list[Figure]:
    worker = psutil.Process(process.pid).children()[0]
    before = worker.memory_info().rss
    body, first, seconds = read_all(f"{base}/patients/reader/records/$export", headers)
    grown = (worker.memory_info().rss - before) / 1024**2
    (settings.DATA_DIR / "export").write_bytes(body)
    read_all(f"{base}/bare/stream/export", {})  # it is in memory from here on
    _, _, bare = read_all(f"{base}/bare/stream/export", {})
    megabytes = len(body) / 1024**2
    return [
        rate("GET /records/$export", megabytes / seconds, megabytes / bare, "MB/s", 0.5),
        below("$export, first byte", first * 1000, "ms", 100),
        below(f"$export of {body.count(bytes([10])):,} resources: the process grew by", grown, "MB", 50),
    ]


def read_all(url: str, headers: dict) -> tuple[bytes, float, float]:
    """The body, seconds to its first byte, seconds to its last."""
    began = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        first_byte = answer.read(1)
        first = time.perf_counter() - began
        return first_byte + answer.read(), first, time.perf_counter() - began
