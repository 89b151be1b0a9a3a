"""The three example apps against the running stack: a patient connects through them, and they show what came."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
import requests
from playwright.sync_api import expect
from standardwebhooks.webhooks import Webhook

from tests.journeys import example_apps, patient
from tests.journeys.stack import wait_until
from tests.packages import node_packages, python_packages

EXPRESS = example_apps.EXAMPLES / "express"
PORTAL = "Plain portal"
LONGEST_LINES = 200


@pytest.fixture
def app(stack):
    made = example_apps.App(stack)
    yield made
    made.stop()


def start_flask(app, folder) -> None:
    packages = os.pathsep.join([str(python_packages("examples")), str(example_apps.CLIENT)])
    app.start(
        [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(app.port)],
        cwd=example_apps.EXAMPLES / "flask", PYTHONPATH=packages, DATABASE=str(folder / "trialfinder.sqlite3"),
    )  # fmt: skip


def start_express(app, folder) -> None:
    app.start([str(node_packages(EXPRESS) / ".bin/tsx"), "src/app.ts"], cwd=EXPRESS)


def connect_through(app, page) -> str:
    """What a visitor of the app does; returns who Connect says they are."""
    page.goto(app.url)
    page.get_by_role("button", name="Connect your records").click()
    patient.search_and_choose(page, "plain portl", PORTAL)
    patient.leave_for_portal(page)
    patient.log_in(page)
    patient.decide(page)
    patient.see_connected(page, PORTAL)
    patient.finish(page, "TrialFinder")
    expect(page.get_by_text(re.compile("fhirsrc_.*: active"))).to_be_visible()
    return app.stack.every("/patient-flows", status="complete")[0]["patient_id"]


def shown(page, app) -> dict[str, int]:
    """The counts by type that the app's page shows."""
    page.goto(app.url)
    lines = page.get_by_role("list").first.inner_text().splitlines()
    return {name: int(count) for count, name in (line.split(" ", 1) for line in lines if line[0].isdigit())}


def post_event(app, event: dict, secret: str) -> int:
    body, now = json.dumps(event), datetime.now(tz=UTC)
    headers = {
        "Content-Type": "application/json", "webhook-id": event["id"], "webhook-timestamp": str(int(time.time())),
        "webhook-signature": Webhook(secret).sign(event["id"], now, body),
    }  # fmt: skip
    return requests.post(f"{app.url}/webhooks", data=body, headers=headers, timeout=10).status_code


@pytest.mark.parametrize("start", [start_flask, start_express])
def test_an_app_connects_a_patient_and_shows_every_record(stack, app, page, start, tmp_path):
    start(app, tmp_path)
    patient_id = connect_through(app, page)
    wait_until(lambda: stack.pulls_of(patient_id)[0]["status"] == "completed", seconds=120)
    wanted = Counter(key.partition("/")[0] for key in stack.records(patient_id))
    assert sum(wanted.values()) > 100
    wait_until(lambda: shown(page, app) == wanted, seconds=60)
    expect(page.get_by_text("records.sync.completed")).to_have_count(1)


@pytest.mark.parametrize("start", [start_flask, start_express])
def test_an_app_believes_signed_events_only_and_each_once(app, page, start, tmp_path):
    start(app, tmp_path)
    event = {"id": "evt_1", "object": "event", "type": "connection.active", "patient_id": "p-1", "data": {}}
    assert post_event(app, event, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") == 401
    assert requests.post(f"{app.url}/webhooks", json=event, timeout=10).status_code == 401
    assert [post_event(app, event, app.secret) for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("start", [start_flask, start_express])
def test_an_app_does_not_believe_somebody_elses_return(stack, app, start, tmp_path):
    start(app, tmp_path)
    body = {"patient_id": "somebody-else", "return_url": f"{app.url}/back"}
    theirs = stack.call("POST", "/patient-flows", body)
    visitor = requests.Session()
    visitor.get(app.url, timeout=10)
    told = {"patient_id": "somebody-else", "patient_flow_id": theirs["id"], "success": "true"}
    assert visitor.get(f"{app.url}/back", params=told, timeout=10).status_code == 403


def test_the_typescript_is_typed():
    subprocess.run([str(node_packages(EXPRESS) / ".bin/tsc"), "--noEmit"], cwd=EXPRESS, check=True)


@pytest.fixture
def somebody(request, stack) -> str:
    """A patient whose records are here: one of an earlier journey, or a new one."""
    pulled = stack.every("/pulls", status="completed")
    if pulled:
        return pulled[0]["patient_id"]
    app = request.getfixturevalue("app")
    start_flask(app, request.getfixturevalue("tmp_path"))
    patient_id = connect_through(app, request.getfixturevalue("page"))
    wait_until(lambda: stack.pulls_of(patient_id)[0]["status"] == "completed", seconds=120)
    return patient_id


def test_the_notebook_draws_a_patients_export(stack, somebody, tmp_path):
    outputs = example_apps.run_notebook(stack, somebody, tmp_path)
    charts = [output for output in outputs if "image/png" in output.get("data", {})]
    text = "".join(line for output in outputs for line in output.get("text", []))
    assert len(charts) == 3
    assert "Everything asked for was fetched from" in text


def test_every_example_is_under_200_lines():
    counts = {
        "flask": ["flask/app.py", "flask/templates/home.html"],
        "express": ["express/src/app.ts", "express/src/connect.ts"],
        "notebook": ["notebook/records.ipynb"],
    }
    for name, files in counts.items():
        lines = sum(len((example_apps.EXAMPLES / file).read_text().splitlines()) for file in files)
        assert lines < LONGEST_LINES, name
