"""The `connect` command, as typed into a terminal, against a server that says what a test tells it to."""

import gzip
import json

import pytest
from click.testing import CliRunner
from werkzeug import Response

from connect_health.cli import flows, session
from connect_health.cli.app import connect as command
from connect_health.cli.records import expected_count
from tests.clients import answers
from tests.clients.conftest import KEY

RESOURCES = [b'{"resourceType":"Condition","n":6.30}', b'{"resourceType":"Patient"}']


@pytest.fixture
def run(base_url, waits, monkeypatch, tmp_path):
    """Runs the command with a key for the server, in an empty folder; nobody waits between looks."""
    monkeypatch.setattr(session.time, "sleep", waits.append)
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **environment: str):
        given = {"CONNECT_KEY": KEY, "CONNECT_URL": base_url, "COLUMNS": "200", "CONNECT_WEBHOOK_SECRET": ""}
        return CliRunner().invoke(command, words, env=given | environment)

    return run


def in_turn(httpserver, path: str, *bodies: dict) -> None:
    for body in bodies:
        httpserver.expect_oneshot_request(path).respond_with_json(body)


def asked(httpserver) -> dict:
    return json.loads(httpserver.log[-1][0].data)


# connect flow, watch, search ------------------------------------------------------------------------
def test_a_flows_link_is_printed_alone_and_as_a_qr_code_beside(run, httpserver):
    httpserver.expect_request("/patient-flows", method="POST").respond_with_json(answers.flow())
    done = run("flow", "p-1", "--return-url", "https://app.test/back", "--label", "TrialFinder")
    assert (done.exit_code, done.stdout) == (0, "http://connect.test/c/token\n")
    assert flows.qr_code("http://connect.test/c/token").splitlines()[3] in done.stderr
    body = {"patient_id": "p-1", "return_url": "https://app.test/back", "return_button_label": "TrialFinder"}
    assert asked(httpserver) == body


def test_a_portal_can_be_named_in_words(run, httpserver):
    source = {"id": "fhirsrc_1", "name": "General Hospital", "fhir_base_url": "http://portal.test/fhir"}
    httpserver.expect_request("/connections").respond_with_json(answers.page(source))
    httpserver.expect_request("/patient-flows", method="POST").respond_with_json(answers.flow())
    done = run("flow", "p-1", "--portal", "general hosp", "--no-qr")
    assert "General Hospital" in done.stderr
    assert asked(httpserver)["connection_id"] == "fhirsrc_1"


def test_a_portal_that_nobody_knows_makes_no_flow(run, httpserver):
    httpserver.expect_request("/connections").respond_with_json(answers.page())
    done = run("flow", "p-1", "--portal", "nowhere")
    assert (done.exit_code, done.stderr) == (1, "Error: No portal is called nowhere\n")


@pytest.mark.parametrize(("status", "code", "exit_code"), [("active", None, 0), ("failed", "user_denied", 1)])
def test_watching_tells_each_step_once_and_what_came_of_it(run, httpserver, status, code, exit_code):
    opened = {"kind": "link_opened", "at": answers.AT, "outcome": "", "connection_id": None}
    sent = {"kind": "sent_to_portal", "at": answers.AT, "outcome": "ok", "connection_id": "fhirsrc_1"}
    tried = answers.connection(status=status, failure_code=code)
    in_turn(httpserver, "/patient-flows/pf_1", answers.flow(), answers.flow(status="complete", connections=[tried]))
    for steps in ([opened], [opened, sent]):
        in_turn(httpserver, "/patient-flows/pf_1/timeline", {"patient_flow_id": "pf_1", "steps": steps})
    done = run("watch", "pf_1")
    assert done.exit_code == exit_code
    lines = done.stdout.splitlines()
    assert lines[:2] == ["14:30:00  link_opened", "14:30:00  sent_to_portal fhirsrc_1  ok"]
    assert lines[2].startswith(f"fhirsrc_1: {status}" + (f" ({code})" if code else ""))
    assert lines[3] == "The flow is complete."


def test_search_lists_portals(run, httpserver):
    source = {"id": "fhirsrc_1", "name": "General Hospital", "fhir_base_url": "http://portal.test", "type": "epic"}
    httpserver.expect_request("/connections", query_string="q=gen+hosp&limit=10").respond_with_json(
        answers.page(source)
    )
    assert "fhirsrc_1  General Hospital  epic" in run("search", "gen", "hosp").stdout


# connect pull, export -------------------------------------------------------------------------------
def test_pull_fetches_every_active_connection_and_shows_how_far_it_is(run, httpserver):
    grants = [answers.connection(), answers.connection(id="conn_2", status="expired"), answers.connection(id=None)]
    httpserver.expect_request("/patients/p-1").respond_with_json(answers.patient(connections=grants))
    httpserver.expect_request("/patients/p-1/connections/conn_1/pull", method="POST").respond_with_json(answers.pull())
    progress = {"type": "Condition", "status": "done", "fetched": 7, "expected": None, "stored": 7, "error": None}
    settled = answers.pull(status="completed", progress=[progress], total=7, finished_at=answers.AT)
    in_turn(httpserver, "/pulls/pull_1", answers.pull(progress=[progress | {"status": "running"}]), settled)
    done = run("pull", "p-1")
    assert (done.exit_code, done.stdout) == (0, "pull_1  fhirsrc_1  completed  7 new or changed\n")
    assert "Condition" in done.stderr
    assert "7/7" in done.stderr


def test_pull_without_an_active_connection_says_what_to_do(run, httpserver):
    httpserver.expect_request("/patients/p-1").respond_with_json(answers.patient(connections=[]))
    assert "`connect flow p-1`" in run("pull", "p-1").stderr


def test_a_pull_that_failed_is_an_exit_status(run, httpserver):
    httpserver.expect_request("/patients/p-1/connections/conn_1/pull").respond_with_json(answers.pull())
    failed = answers.pull(status="failed", finished_at=answers.AT)
    httpserver.expect_request("/pulls/pull_1").respond_with_json(failed)
    assert run("pull", "p-1", "conn_1").exit_code == 1


@pytest.fixture
def exported(httpserver):
    httpserver.expect_request("/pulls").respond_with_json(answers.page())
    body = b"\n".join(RESOURCES) + b"\n"
    httpserver.expect_request("/patients/p-1/records/$export").respond_with_data(body)
    return body


def test_export_writes_what_the_portals_sent(run, exported, tmp_path):
    done = run("export", "p-1", "-o", "out.ndjson")
    assert (done.exit_code, (tmp_path / "out.ndjson").read_bytes()) == (0, exported)
    assert "2 records in out.ndjson" in done.stderr


def test_export_compresses_and_keeps_the_file_to_its_owner(run, exported, tmp_path):
    run("export", "p-1", "-o", "out.ndjson.gz")
    assert gzip.decompress((tmp_path / "out.ndjson.gz").read_bytes()) == exported
    assert (tmp_path / "out.ndjson.gz").stat().st_mode & 0o077 == 0


def test_export_to_standard_output_is_nothing_but_records(run, exported):
    assert run("export", "p-1", "-o", "-").stdout_bytes == exported


def test_a_broken_export_leaves_no_file(run, httpserver, tmp_path):
    httpserver.expect_request("/pulls").respond_with_json(answers.page())
    cut = Response(iter([RESOURCES[0] + b"\n"]), headers={"Content-Length": "1000"})
    httpserver.expect_request("/patients/p-1/records/$export").respond_with_response(cut)
    done = run("export", "p-1", "-o", "out.ndjson")
    assert (done.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "broke off" in done.stderr


def test_the_bar_ends_where_the_last_pulls_said(run, httpserver, exported, connect):
    progress = [
        {"type": "Condition", "status": "done", "fetched": 5},
        {"type": "Patient", "status": "done", "fetched": 1},
    ]
    pulls = [
        answers.pull(id="pull_3"),
        answers.pull(id="pull_2", progress=progress, finished_at=answers.AT),
        answers.pull(id="pull_1", progress=progress, finished_at=answers.AT),
    ]
    httpserver.clear()
    httpserver.expect_request("/pulls").respond_with_json(answers.page(*pulls))
    this = session.Session(KEY, httpserver.url_for(""))
    assert (expected_count(this, "p-1", ()), expected_count(this, "p-1", ("Condition",))) == (6, 5)


# connect events -------------------------------------------------------------------------------------
def test_events_shows_the_last_ones_oldest_first(run, httpserver):
    newest_first = [answers.event(3), answers.event(2, delivered_at=answers.AT), answers.event(1)]
    httpserver.expect_request("/events", query_string="type=connection.active&limit=100").respond_with_json(
        answers.page(*newest_first)
    )
    done = run("events", "--type", "connection.active", "-n", "2")
    assert [line.split("  ")[3] for line in done.stdout.splitlines()] == ["#2", "#3"]
    assert done.stdout.splitlines()[0].endswith("connection.active  p-1  delivered")


def test_following_events_shows_each_new_one_once(run, httpserver, monkeypatch):
    in_turn(
        httpserver, "/events", answers.page(answers.event(1)), answers.page(answers.event(1)),
        answers.page(answers.event(3), answers.event(2), answers.event(1)),
    )  # fmt: skip
    done = run("events", "-f")
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["evt_1", "evt_2", "evt_3"]
    assert done.exit_code == 1  # the server had no fourth answer: that is an error, not silence


# Errors ---------------------------------------------------------------------------------------------
def test_what_the_api_refuses_is_a_sentence_with_a_page_to_open(run, httpserver):
    refused = answers.error("resource_not_found", "not_found_error")
    httpserver.expect_request("/patient-flows/pf_9").respond_with_json(refused, status=404)
    done = run("watch", "pf_9")
    assert done.exit_code == 1
    assert "404 resource_not_found: Told why" in done.stderr
    assert "http://connect.test/docs/errors/resource_not_found" in done.stderr
    assert "Traceback" not in done.output


def test_without_a_key_the_command_says_where_to_put_it(run):
    done = run("search", "x", CONNECT_KEY="")
    assert (done.exit_code, "CONNECT_KEY" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["flow", "watch", "search", "pull", "export", "events", "listen"])
def test_every_command_explains_itself_without_a_server(run, name):
    done = run(name, "--help", CONNECT_KEY="", CONNECT_URL="")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) > 5
