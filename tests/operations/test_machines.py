"""`/health`, `/health/ready`, `/metrics`, and log lines that can be followed."""

import json
import logging
from datetime import timedelta

import pytest
import structlog
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from connect import logs
from connect.audit.models import Entry
from connect.celery import app
from connect.operations import heartbeats
from connect.operations.tasks import answer_roll_call, heartbeat

OUTSIDE = "203.0.113.9"


@pytest.fixture
def everybody_is_alive(db):
    for part in (heartbeats.BEAT, *(f"queue:{queue}" for queue in heartbeats.queues())):
        heartbeats.note(part)


class TestHealth:
    def test_it_needs_no_database(self, client):
        body = client.get("/health").json()
        assert body["ok"] is True
        assert body["server_time"].endswith("Z")

    def test_ready_when_all_are_well(self, client, everybody_is_alive):
        answer = client.get("/health/ready")
        assert answer.status_code == 200, answer.content
        assert answer.json()["ok"]

    def test_not_ready_says_what_is_wrong(self, client, db):
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"]["beat"] == "not seen for 60 s"
        assert answer.json()["checks"]["database"] == "ok"

    def test_the_roll_call_makes_ready(self, client, db, settings):
        heartbeat()
        for queue in heartbeats.queues():
            answer_roll_call(queue, 0)
        assert client.get("/health/ready").json()["ok"]

    @pytest.mark.parametrize("path", ["/health/ready", "/metrics"])
    def test_strangers_learn_nothing(self, path, everybody_is_alive, settings):
        settings.OPERATIONS_TOKEN = "let-me-in"
        outside = Client(REMOTE_ADDR=OUTSIDE)
        assert outside.get(path).status_code == 404
        assert outside.get(path, headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 404
        assert outside.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 404
        assert outside.get(path, headers={"Authorization": "Bearer let-me-in"}).status_code == 200


class TestMetrics:
    def test_it_is_prometheus_text_with_bounded_labels_and_nobody_in_it(self, client, world, everybody_is_alive):
        text = client.get("/metrics").content.decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert {sample.labels["queue"] for sample in families["connect_due_work"].samples} >= {"pulls", "webhooks"}
        pulls = [(sample.labels, sample.value) for sample in families["connect_pulls_recent"].samples]
        assert pulls == [({"vendor": "epic", "outcome": "partial"}, 1.0)]
        for personal in (world.patient.patient_id, world.patient.email, world.organization.pk, world.source.pk):
            assert personal not in text


class TestLogs:
    def test_a_line_is_json_with_the_ids_it_belongs_to(self, capsys):
        before = logging.root.handlers, logging.root.level
        try:
            logs.configure({"level": "INFO", "json": True})
            with structlog.contextvars.bound_contextvars(request_id="r-1"):
                structlog.get_logger("connect.test").info("something.happened", count=3)
                logging.getLogger("elsewhere").warning("by %s", "hand")
        finally:
            logging.root.handlers, logging.root.level = before
        ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
        assert (ours["event"], ours["count"], ours["request_id"]) == ("something.happened", 3, "r-1")
        assert (theirs["event"], theirs["request_id"]) == ("by hand", "r-1")

    def test_what_a_pretend_portal_refuses_on_purpose_is_no_line(self, rf):
        pretended, real = rf.get("/sandbox/at-mercy/token"), rf.get("/patient-flows")
        logger = logging.getLogger("django.request")

        def is_written(level: int, request) -> bool:
            extra = {"request": request}
            return bool(
                logger.filter(logger.makeRecord(logger.name, level, __file__, 1, "Bad Request", (), None, extra=extra))
            )

        assert not is_written(logging.WARNING, pretended)
        assert is_written(logging.ERROR, pretended)
        assert is_written(logging.WARNING, real)

    def test_a_task_names_the_request_that_woke_it(self):
        seen = {}

        @app.task(name="tests.look_around")
        def look_around():
            seen.update(structlog.contextvars.get_contextvars())

        try:
            look_around.apply(task_id="t-1", headers={"request_id": "r-1"})
        finally:
            del app.tasks["tests.look_around"]
        assert (seen["task_id"], seen["request_id"], seen["task"]) == ("t-1", "r-1", "tests.look_around")
        assert structlog.contextvars.get_contextvars() == {}


def test_the_first_use_of_a_key_each_day_is_noted(api, organization, time_machine):
    used = Entry.objects.filter(action="api_key.used", organization_id=organization.pk)
    for _ in range(3):
        api.get("/patients")
    assert used.count() == 1
    time_machine.move_to(timezone.now() + timedelta(days=1))
    api.get("/patients")
    assert used.count() == 2
