"""Retention: what is past its time goes, what is not stays, and nothing that is still needed goes with it."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.utils import timezone

from connect.operations.retention import RULES, prune
from connect.operations.tasks import prune as prune_task
from connect.organizations.models import IdempotentAnswer
from patientflows.models import PatientFlow, Step
from pulls.models import Page, Pull, Record
from tests.world import make_world


@pytest.fixture
def world(organization):
    return make_world(organization)


def later(days: float):
    return time_machine.travel(timezone.now() + timedelta(days=days), tick=False)


def test_a_young_installation_keeps_everything(world):
    assert prune() == {}


def test_idempotent_answers_go_after_a_day(api, world):
    api.create("/patients", {"patient_id": "p-9"}, **{"Idempotency-Key": "k"})
    with later(1.1):
        prune_task()
    assert not IdempotentAnswer.objects.exists()


def test_pages_of_ended_pulls_go_and_their_manifest_and_records_stay(world):
    with later(31):
        assert prune()["pages of ended pulls"] == 1
    assert not Page.objects.exists()
    assert Pull.objects.get().manifest_sha256
    assert Record.objects.count() == 1


def test_timelines_go_after_a_year_and_flows_stay(world):
    with later(366):
        prune()
    assert not Step.objects.exists()
    assert PatientFlow.objects.count() == 1


def test_a_flow_goes_only_where_its_days_are_set(world, settings):
    settings.FLOW_DAYS = 30
    with later(31):
        prune()
    assert not PatientFlow.objects.exists()


def test_the_last_pull_of_a_connection_always_stays(world, settings):
    settings.PULL_DAYS = 10
    with later(40):
        prune()
    assert Pull.objects.count() == 1


def test_an_old_signing_secret_is_forgotten_once_it_signs_no_more(api, world):
    api.create(f"/webhooks/{world.endpoint.pk}/rotate-secret", {"overlap_seconds": 60})
    with later(0.1):
        prune()
    world.endpoint.refresh_from_db()
    assert world.endpoint.previous_secret is None
    assert world.endpoint.secret


def test_ended_sessions_go_and_living_ones_stay(db):
    for days in (-1, 1):
        expire_date = timezone.now() + timedelta(days=days)
        Session.objects.create(session_key=f"session-{days}", session_data="x", expire_date=expire_date)
    prune()
    assert [session.session_key for session in Session.objects.all()] == ["session-1"]


def test_many_rows_go_in_batches(db, monkeypatch):
    monkeypatch.setattr("connect.operations.retention.BATCH", 2)
    for number in range(5):
        Session.objects.create(
            session_key=str(number), session_data="x", expire_date=timezone.now() - timedelta(days=1)
        )
    assert prune() == {"sessions": 5}


def test_every_rule_can_be_asked_on_this_engine(db):
    for rule in RULES:
        assert rule.prune(timezone.now()) == 0
