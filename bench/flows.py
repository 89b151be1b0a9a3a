"""`POST /patient-flows` against a bare insert, and the Direct link's redirect, in one gunicorn process."""

import json
import urllib.request

from bench import load, world
from bench.report import Figure, below, rate
from bench.server import web


def measure(quick: bool) -> list[Figure]:
    """Requests a second of making a flow, with and without an Idempotency-Key; the redirect's time at half load."""
    count = 40 if quick else 600
    _, key = world.organization()
    at = world.source("https://bench.example.org/fhir")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def flow(number: int) -> load.Request:
        body = {"patient_id": f"p-{number % 500}", "return_url": "https://app.example.org/back", "connection_id": at.pk}
        return "POST", "/patient-flows", json.dumps(body).encode(), headers

    def repeatable(number: int) -> load.Request:
        method, path, body, own = flow(number)
        return method, path, body, {**own, "Idempotency-Key": f"bench-{number}"}

    def bare(number: int) -> load.Request:
        return "POST", "/bare/insert", b'{"name": "somebody"}', {"Content-Type": "application/json"}

    with web() as (base, _):
        load.run(base, flow, count=500 if not quick else 10)  # the patients exist, connections are warm
        ours, least = load.alternating(base, flow, bare, count=count)
        figures = [rate("POST /patient-flows", ours, least, "req/s", 0.6)]
        ours, least = load.alternating(base, repeatable, bare, count=count)
        figures.append(rate("POST /patient-flows with Idempotency-Key", ours, least, "req/s", 0.6))
        return figures + direct_link(base, flow, count)


def direct_link(base: str, flow, count: int) -> list[Figure]:
    """The link of Direct Mode: one redirect to the portal's login."""
    method, path, body, headers = flow(0)
    request = urllib.request.Request(base + path, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        link = json.load(answer)["url"]
    path = "/c/" + link.rsplit("/c/", 1)[1]

    def open_link(number: int) -> load.Request:
        return "GET", path, None, {"User-Agent": "Mozilla/5.0"}

    most = load.run(base, open_link, count=count)
    half = load.run(base, open_link, count=count, per_second=most.per_second / 2)
    bare = load.run(
        base, lambda number: ("GET", "/bare/redirect", None, {}), count=count, per_second=most.per_second / 2
    )
    figure = below("Direct link → redirect, p95 at half load", half.percentile(0.95) * 1000, "ms", 50)
    figure.baseline = f"{bare.percentile(0.95) * 1000:.1f} ms"
    return [figure]
