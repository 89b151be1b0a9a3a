"""The first page a patient sees: its weight, and when its largest part is painted on simulated slow 4G."""

from pathlib import Path

from django.core.management import call_command
from playwright.sync_api import sync_playwright

from bench import world
from bench.report import Figure, below
from bench.server import web
from connect.audit.actions import SYSTEM
from connect.organizations.models import ApiKey
from patientflows.actions import open_flow
from patientflows.links import flow_url

CHROMIUM = Path("/usr/bin/chromium")
# Lighthouse's "slow 4G": 150 ms there and back, 1.6 Mbit/s down.
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
LARGEST_PAINT = """() => new Promise(resolve => {
  new PerformanceObserver(list => resolve(list.getEntries().at(-1).startTime)).observe({type: 'largest-contentful-paint', buffered: true});
  setTimeout(() => resolve(-1), 5000);
})"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def measure(quick: bool) -> list[Figure]:
    """The median of a few cold loads at a phone's size."""
    if not CHROMIUM.exists():
        return [Figure("hosted first page", "Chromium is not installed")]
    tenant, _ = world.organization()
    flow = open_flow(
        caller=ApiKey.objects.get(organization_id=tenant.organization_id), by=SYSTEM, patient_id="p",
        return_url="https://app.example.org/",
    )  # fmt: skip
    link = "/c/" + flow_url(flow.token).rsplit("/c/", 1)[1]
    call_command("collectstatic", verbosity=0, interactive=False)  # as in production: compressed
    with web() as (base, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        loads = sorted(cold_load(browser, base + link) for _ in range(1 if quick else 5))
        browser.close()
    paint, weight = loads[len(loads) // 2]
    return [
        below("hosted first page, on the wire", weight / 1024, "KB", 60),
        below("hosted first page, largest contentful paint on slow 4G", paint, "ms", 1000),
    ]


def cold_load(browser, url: str) -> tuple[float, int]:
    """(largest contentful paint in ms, bytes on the wire) of a load with nothing cached."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, device_scale_factor=2)
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    protocol.send("Network.enable")
    protocol.send("Network.emulateNetworkConditions", SLOW_4G)
    weights: list[float] = []
    protocol.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    page.goto(url, wait_until="networkidle")
    paint = page.evaluate(LARGEST_PAINT)
    context.close()
    return paint, int(sum(weights))
