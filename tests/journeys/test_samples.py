"""Every code sample of the documentation, run as it is printed, against the running stack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.journeys import patient
from tests.journeys.stack import ROOT, free_port, wait_until
from tests.packages import node_packages

SAMPLES = ROOT / "docs" / "samples"
EXPRESS = ROOT / "examples" / "express"
PATIENT = "volunteer-1"


def command_of(sample: Path, folder: Path) -> list[str]:
    """How a reader runs it: TypeScript in a folder that has the packages, with tsx, which any Node takes."""
    match sample.suffix:
        case ".py":
            return [sys.executable, str(sample)]
        case ".sh":
            return ["sh", "-eu", str(sample)]
        case ".mts":
            packages = beside_node_packages(folder)
            return [str(packages / ".bin/tsx"), str(shutil.copy(sample, folder))]
    raise AssertionError(f"Nothing is known of how {sample} runs.")


def beside_node_packages(folder: Path) -> Path:
    """Give the folder the Express example's packages, which are all that the samples import; returns where."""
    packages = folder / "node_modules"
    if not packages.exists():
        packages.symlink_to(node_packages(EXPRESS))
    return packages


@pytest.fixture
def run(stack, tmp_path):
    """Run a sample of docs/samples to its end; returns what it printed."""

    def run(name: str, **environment: str) -> str:
        ended = subprocess.run(
            command_of(SAMPLES / name, tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
            env=environment_of(stack) | environment,
        )  # fmt: skip
        assert ended.returncode == 0, f"{name}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    return run


def environment_of(stack) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "CONNECT_URL": stack.base_url, "CONNECT_KEY": stack.access["api_key"]}


@pytest.fixture(scope="module")
def connection(stack, chromium):
    """The sample patient, connected to the plain portal, with every record here."""
    flow = stack.call(
        "POST", "/patient-flows",
        {"patient_id": PATIENT, "return_url": f"{stack.base_url}/health", "connection_id": stack.source("Plain portal")["id"]},
    )  # fmt: skip
    context = chromium.new_context(locale="en-US")
    page = context.new_page()
    page.goto(flow["url"])
    patient.log_in(page)
    patient.decide(page)
    page.wait_for_url("**/health?**")
    context.close()
    wait_until(lambda: [pull for pull in stack.pulls_of(PATIENT) if pull["status"] == "completed"], seconds=120)
    return stack.call("GET", f"/patients/{PATIENT}")["connections"][0]


@pytest.fixture
def listening(stack, tmp_path):
    """Start a receiver sample; it stops when the test is over."""
    running: list[subprocess.Popen] = []

    def listen(name: str) -> tuple[dict, subprocess.Popen]:
        port = str(free_port())
        endpoint = json.loads(make_endpoint(stack, f"http://127.0.0.1:{port}/webhooks"))
        process = subprocess.Popen(
            command_of(SAMPLES / name, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment_of(stack) | {"PORT": port, "WEBHOOK_SECRET": endpoint["secret"], "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        running.append(process)
        wait_until(lambda: refuses_what_is_not_signed(endpoint["url"]), seconds=20)
        return endpoint | {"port": port}, process

    yield listen
    for process in running:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def make_endpoint(stack, url: str) -> str:
    return subprocess.run(
        ["sh", "-eu", str(SAMPLES / "guides" / "webhook_make.sh")], capture_output=True, text=True, check=True,
        env=environment_of(stack) | {"RECEIVER_URL": url},
    ).stdout  # fmt: skip


def refuses_what_is_not_signed(url: str) -> bool:
    """Whether the receiver is up, and asks for a signature."""
    try:
        return requests.post(url, json={}, timeout=2).status_code == 401
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("name", ["create_flow.sh", "create_flow.py", "create_flow.mts", "direct.py", "direct.mts"])
def test_a_flow_is_made_and_its_link_printed(run, stack, name):
    printed = run(f"quickstart/{name}").strip()
    url = json.loads(printed)["url"] if name.endswith(".sh") else printed
    assert url.startswith(f"{stack.base_url}/c/")


def test_a_source_is_found_by_name(run):
    found = json.loads(run("quickstart/find_source.sh"))["data"]
    assert [source["name"] for source in found] == ["Plain portal"]


def test_records_are_read(run, connection):
    items = json.loads(run("quickstart/read_records.sh"))["data"]
    assert {item["resource"]["resourceType"] for item in items} <= {"Observation", "Condition"}
    assert len(items) == 5


@pytest.mark.parametrize("name", ["read_everything.py", "read_everything.mts"])
def test_every_record_is_read_page_by_page(run, stack, connection, name):
    lines = run(f"guides/{name}").splitlines()
    assert len(lines) == len(stack.records(PATIENT))
    assert all(line.startswith("new ") for line in lines)


def test_records_are_exported_as_ndjson(run, stack, connection, tmp_path):
    run("guides/export_ndjson.sh")
    lines = (tmp_path / "volunteer-1.ndjson").read_text().splitlines()
    assert len(lines) == len(stack.records(PATIENT))


def test_records_go_to_a_folder(run, stack, connection):
    destination = json.loads(run("guides/export_destination.sh"))

    def completed() -> list[dict]:
        return [each for each in stack.every("/exports") if each["status"] == "completed"]

    (first,) = wait_until(completed, seconds=60)
    assert first["resources"] >= len(stack.records(PATIENT))
    asked = json.loads(run("guides/export_now.sh", DESTINATION=destination["id"]))
    assert (asked["destination_id"], asked["mode"]) == (destination["id"], "changes")


def test_completeness_is_said_in_sentences(run, connection):
    assert json.loads(run("guides/completeness.sh"))["patient_id"] == PATIENT


def test_the_same_idempotency_key_makes_one_flow(run):
    assert run("guides/idempotent.sh") == run("guides/idempotent.sh")


def test_a_reconnecting_flow_leads_to_the_same_source(run, connection):
    flow = json.loads(run("guides/reconnect.sh", CONNECTION=connection["id"]))
    assert flow["connection_id"] == connection["connection_id"]


def test_a_pull_is_started_by_hand(run, connection):
    pull = json.loads(run("guides/pull_now.sh", CONNECTION=connection["id"]))
    assert pull["trigger"] in ("manual", "schedule")


def test_an_hour_of_a_connection_is_lived_through(run, connection):
    assert json.loads(run("guides/advance.sh", CONNECTION=connection["id"]))["id"] == connection["id"]


def test_the_page_a_patient_returns_to(run):
    assert run("guides/handle_return.py").splitlines() == [
        "Thank you. We are checking pf_01.",
        "You did not agree. Nothing was shared.",
    ]


@pytest.mark.parametrize("name", ["receive.py", "receive.mts"])
def test_a_receiver_takes_what_is_signed_and_nothing_else(run, stack, listening, name):
    endpoint, process = listening(f"guides/{name}")
    stack.call("POST", f"/webhooks/{endpoint['id']}/test", {})
    # What an earlier test's pull still has to tell may come first.
    assert any(line.startswith("webhook_endpoint.test") for line in iter(process.stdout.readline, ""))
    delivered = wait_until(
        lambda: [event for event in stack.every(f"/webhooks/{endpoint['id']}/events") if event["delivered_at"]]
    )
    assert delivered[0]["last_status_code"] == 204
    assert run("guides/webhook_recover.sh", ENDPOINT=endpoint["id"])
    gap = json.loads(run("guides/webhook_gap.sh", ENDPOINT=endpoint["id"]))["data"]
    assert [event["sequence"] for event in gap] == list(range(2, 2 + len(gap)))


@pytest.mark.parametrize("name", ["app.py", "app.mts"])
def test_an_app_in_one_file_connects_a_patient_and_hears_of_it(stack, listening, page, name):
    endpoint, process = listening(f"quickstart/{name}")
    page.goto(endpoint["url"].removesuffix("/webhooks"))
    page.get_by_role("button", name="Connect your records").click()
    patient.search_and_choose(page, "plain portal", "Plain portal")
    patient.leave_for_portal(page)
    patient.log_in(page)
    patient.decide(page)
    patient.see_connected(page, "Plain portal")
    patient.finish(page, "my app")
    assert any(line == f"connection.active {PATIENT}\n" for line in iter(process.stdout.readline, ""))


def test_the_typescript_is_typed(tmp_path):
    """As the Express example is: strict, with its compiler."""
    packages = beside_node_packages(tmp_path)
    options = json.loads((EXPRESS / "tsconfig.json").read_text())
    (tmp_path / "tsconfig.json").write_text(json.dumps(options | {"include": ["*.mts"]}))
    for sample in SAMPLES.rglob("*.mts"):
        shutil.copy(sample, tmp_path)
    checked = subprocess.run(
        [str(packages / ".bin/tsc"), "--noEmit"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_every_sample_is_run_by_a_test_of_this_file():
    """A sample that no test runs is not documentation."""
    tests = Path(__file__).read_text()
    samples = [path for path in SAMPLES.rglob("*") if path.is_file() and path.suffix in RUNNABLE]
    assert [path.name for path in samples if path.name not in tests] == []


RUNNABLE = (".py", ".sh", ".mts")
