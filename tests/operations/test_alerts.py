"""An alert is raised once, told over every channel, and resolves by itself."""

import json
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.utils import timezone
from standardwebhooks import Webhook

from connect.audit.models import ChainCheck
from connect.operations import alert_notices, alerts, heartbeats
from connect.operations.measures import Measure
from connect.operations.models import Alert, Heartbeat, Notice, Tally
from connect.operations.tallies import ALL
from connect.operations.tasks import watch
from patientflows.models import PatientFlow
from portals.models import Circuit, Connection
from pulls.models import Pull
from tests.operations.world import make_world
from webhooks.models import Endpoint
from webhooks.signing import new_secret


@pytest.fixture(autouse=True)
def workers(db):
    """Everybody is alive, at whatever time it is."""

    def note():
        for part in (heartbeats.BEAT, *(f"queue:{queue}" for queue in heartbeats.queues())):
            heartbeats.note(part)

    note()
    return note


@pytest.fixture
def told(settings, httpserver):
    settings.ALERT_EMAILS = ["ops@example.org"]
    settings.ALERT_WEBHOOK_URL = httpserver.url_for("/alerts")
    settings.ALERT_WEBHOOK_SECRET = new_secret()
    return httpserver


def disable_an_endpoint() -> Endpoint:
    endpoint = make_world().endpoint
    Alert.objects.all().delete()
    endpoint.disable(reason="attempts_exhausted")
    return endpoint


def connections_at(world, count: int, **columns) -> None:
    """More connections at the world's portal, each of the same patient as another person there."""
    first = Connection.objects.count()
    granted = {"access_token": b"sealed"} | columns
    rows = [
        Connection(
            organization=world.organization, environment="sandbox", patient=world.patient, source=world.source,
            registration=world.registration, fhir_patient_id=f"more-{first + number}",
        )
        for number in range(count)
    ]  # fmt: skip
    for row in rows:
        for name, value in granted.items():
            setattr(row, name, value)
    Connection.objects.bulk_create(rows)


def usually_lost(source, times: int) -> Tally:
    return Tally.objects.create(
        grain="hour", at=timezone.now() - timedelta(days=1), measure=Measure.ACCESS_LOST, organization_id=ALL,
        source_id=source.pk, outcome="refresh_rejected", count=times,
    )  # fmt: skip


def open_rules() -> set[str]:
    return set(Alert.objects.filter(status=Alert.Status.OPEN).values_list("rule", flat=True))


class TestLife:
    def test_it_is_raised_once_however_often_it_is_found(self):
        endpoint = disable_an_endpoint()
        alerts.check()
        alerts.check()
        alert = Alert.objects.get()
        assert (alert.rule, alert.subject, alert.status) == ("endpoint_disabled", endpoint.pk, Alert.Status.OPEN)
        assert alert.organization_id == endpoint.organization_id

    def test_it_resolves_by_itself_when_it_is_over_for_a_while(self, time_machine, workers):
        endpoint = disable_an_endpoint()
        alerts.check()
        endpoint.enable()
        alerts.check()
        assert open_rules() == {"endpoint_disabled"}
        time_machine.move_to(timezone.now() + alerts.QUIET_BEFORE_RESOLVED)
        workers()
        Alert.objects.exclude(rule="endpoint_disabled").delete()
        alerts.check()
        alert = Alert.objects.get(rule="endpoint_disabled")
        assert alert.status == Alert.Status.RESOLVED
        assert alert.resolved_at is not None

    def test_it_is_raised_anew_when_it_comes_back(self):
        endpoint = disable_an_endpoint()
        alerts.check()
        Alert.objects.get().resolve()
        assert endpoint.status == Endpoint.Status.DISABLED
        alerts.check()
        assert Alert.objects.count() == 2


class TestRules:
    def test_pulls_failing_at_a_portal(self, settings):
        world = make_world()
        Alert.objects.all().delete()
        for _ in range(5):
            Pull.objects.create(
                organization=world.organization, environment="sandbox", connection=world.connection, patient=world.patient,
                trigger="schedule", status="failed", finished_at=timezone.now(),
            )  # fmt: skip
        alerts.check()
        assert (
            Alert.objects.get(rule="pulls_failing").text
            == f"5 of 6 pulls at {world.source.name} failed within the last hour"
        )
        settings.ALERT_PULL_FAILURES_PERCENT = 90
        Alert.objects.all().delete()
        alerts.check()
        assert open_rules() == set()

    def test_more_connections_losing_access_than_usual(self):
        world = make_world()
        Alert.objects.all().delete()
        lost = {"failure_code": "refresh_rejected", "failure_at": timezone.now(), "status": "refresh_failed"}
        connections_at(world, 4, **lost, access_token=None, refresh_token=None)
        alerts.check()
        assert open_rules() == set()
        connections_at(world, 1, **lost, access_token=None, refresh_token=None)
        usual = usually_lost(world.source, 7 * 24)
        alerts.check()
        assert open_rules() == set()
        usual.delete()
        alerts.check()
        told = Alert.objects.get(rule="access_being_lost")
        assert (told.subject, told.text) == (
            world.source.pk, f"5 connections to {world.source.name} lost access within the last hour; usual are 0.0",
        )  # fmt: skip

    def test_a_large_share_of_a_portals_refreshes_failing(self, settings):
        world = make_world()
        Alert.objects.all().delete()
        connections_at(world, 15)
        connections_at(world, 5, refresh_failures=1)
        settings.ALERT_REFRESH_FAILURES_PERCENT = 25
        alerts.check()
        assert open_rules() == set()
        settings.ALERT_REFRESH_FAILURES_PERCENT = 20
        alerts.check()
        told = Alert.objects.get(rule="refreshes_failing")
        assert told.text == f"5 of 21 connections to {world.source.name} could not renew their access"

    def test_an_audit_log_that_is_not_whole(self):
        ChainCheck.objects.create(faults=[{"position": 2, "what": "entries 2 to 2 are gone"}])
        alerts.check()
        assert Alert.objects.get().text == "The audit log is not whole: entries 2 to 2 are gone"

    def test_a_token_endpoint_that_is_left_alone(self):
        world = make_world()
        Circuit.objects.create(key=world.source.pk, reason="timeout", open_until=timezone.now() + timedelta(minutes=1))
        alerts.check()
        assert world.source.name in Alert.objects.get(rule="token_endpoint_down").text

    def test_an_endpoint_that_its_owner_disabled_is_none(self):
        endpoint = make_world().endpoint
        Alert.objects.all().delete()
        endpoint.disable(reason="")
        alerts.check()
        assert open_rules() == set()

    def test_work_that_waits(self):
        flow = make_world().flow
        PatientFlow.objects.filter(pk=flow.pk).update(expires_at=timezone.now() - timedelta(minutes=6))
        alerts.check()
        assert Alert.objects.get(rule="work_waiting").subject == "flows to expire"

    def test_a_queue_that_nobody_works_on(self):
        Heartbeat.objects.filter(part="queue:pulls").update(seen_at=timezone.now() - timedelta(minutes=2))
        alerts.check()
        assert Alert.objects.get().text == "No worker answers for the queue pulls"


class TestBeatGone:
    """Beat calls for the look around, so somebody else has to when it is silent."""

    @pytest.fixture
    def silent(self):
        Heartbeat.objects.filter(part="beat").update(seen_at=timezone.now() - timedelta(minutes=2))

    @pytest.fixture
    def sent(self, monkeypatch):
        """Wake-ups that reached the broker."""
        cache.clear()
        found = []
        monkeypatch.setattr(alerts, "send", found.append)
        return found

    def test_it_is_raised_by_a_worker(self, silent):
        watch()
        assert Alert.objects.get().rule == "beat_gone"

    @pytest.mark.parametrize("path", ["/health/ready", "/metrics", "/admin/overview/"])
    def test_whoever_looks_from_outside_has_a_worker_look(self, path, silent, sent, viewer):
        viewer.get(path)
        viewer.get(path)
        assert sent == [watch]

    def test_with_beat_alive_nobody_is_woken(self, sent, client):
        client.get("/health/ready")
        assert sent == []


class TestTelling:
    def test_it_is_told_by_e_mail_and_signed_webhook_once(self, told, settings):
        told.expect_ordered_request("/alerts", method="POST").respond_with_data("")
        disable_an_endpoint()
        watch()
        watch()
        assert [message.subject for message in mail.outbox] == [
            "[Connect] A webhook endpoint of Trials Inc was disabled"
        ]
        ((request, _),) = told.log
        body = json.loads(request.get_data())
        assert (body["type"], body["text"]) == ("alert.raised", "A webhook endpoint of Trials Inc was disabled")
        Webhook(settings.ALERT_WEBHOOK_SECRET).verify(request.get_data(), dict(request.headers))
        assert f"/admin/operations/alert/{Alert.objects.get().pk.replace('_', '_5F')}/change/" in mail.outbox[0].body

    def test_its_end_is_told_too(self, told, time_machine, workers):
        told.expect_request("/alerts", method="POST").respond_with_data("")
        endpoint = disable_an_endpoint()
        watch()
        endpoint.enable()
        time_machine.move_to(timezone.now() + timedelta(minutes=4))
        workers()
        watch()
        assert mail.outbox[-1].subject.startswith("[Connect] Resolved: ")
        assert json.loads(told.log[-1][0].get_data())["type"] == "alert.resolved"

    def test_a_message_that_did_not_go_out_is_tried_again_later_under_the_same_id(self, told, time_machine):
        told.expect_ordered_request("/alerts").respond_with_data("", status=503)
        told.expect_ordered_request("/alerts").respond_with_data("")
        disable_an_endpoint()
        watch()
        notice = Notice.objects.get(channel="webhook")
        assert (notice.sent_at, notice.last_error) == (None, "http_503")
        assert alert_notices.send_due() == 0
        time_machine.move_to(notice.due_at)
        assert alert_notices.send_due() == 1
        first, second = (json.loads(request.get_data())["id"] for request, _ in told.log)
        assert first == second

    def test_without_channels_it_is_on_the_overview_only(self, settings):
        settings.ALERT_EMAILS, settings.ALERT_WEBHOOK_URL = [], ""
        disable_an_endpoint()
        watch()
        assert Alert.objects.exists()
        assert not Notice.objects.exists()
