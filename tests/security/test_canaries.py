"""A real journey with values that must not be found anywhere but where they belong: in logs, answers, messages to
workers, events, audit entries and readable columns.

The patient goes out to a portal and comes back, records are pulled, the token is refreshed, webhooks are delivered, the
portal misbehaves, access ends: all over real HTTP, with the log at its most talkative.
"""

import io
import json
import logging
from urllib.parse import urlsplit

import pytest
import structlog
from celery.signals import before_task_publish
from django.apps import apps
from django.db import connection as database
from django.db import models
from django.test import Client
from django.utils import timezone

from connect.logs import configure
from connect.operations.verify.secrets import FOREIGN_APPS, plain_secrets
from portals.models import Connection
from portals.refresh import refresh_connection
from portals.smart.errors import SmartError
from pulls.models import Pull
from pulls.run import run_pull
from tests.factories import make_endpoint
from tests.portals.portal_double import Answer
from tests.security.conftest import GRANTED, come_back, left
from tests.webhooks.receivers import Receiver
from webhooks.deliver import drain

PATIENT = {"patient_id": "p-1", "patient_email": "canary-email@example.org", "patient_name": "Canary Name"}
OBSERVATION = {
    "resourceType": "Observation", "id": "canary-resource", "status": "final", "code": {"text": "canary-diagnosis"},
    "subject": {"reference": "Patient/canary-fhir-patient"}, "note": [{"text": "canary-note"}],
}  # fmt: skip
CLIENT_SECRET = "canary-client-secret"
CODE = "canary-authorization-code"
# What may be nowhere but sealed, and what may be nowhere but in the patient's own row and the integrator's answers.
TOKENS = ["canary-access-token", "canary-refresh-token", CLIENT_SECRET, CODE, "canary-rotated"]
PERSONAL = ["canary-email", "Canary Name", "canary-diagnosis", "canary-note", "canary-fhir-patient", "canary-resource"]


@pytest.fixture
def everything_said():
    """All that the process logs from here on, at DEBUG, in the machine's form, other people's loggers included."""
    said = io.StringIO()
    kept = list(logging.root.handlers), logging.root.level
    configure({"level": "DEBUG", "json": True})
    logging.root.handlers[0].setStream(said)
    yield said
    logging.root.handlers, logging.root.level = kept
    structlog.reset_defaults()


@pytest.fixture
def messages():
    """The bodies of all messages to workers."""
    sent = []

    def note(body=None, **kwargs):
        sent.append(json.dumps(body, default=str))

    before_task_publish.connect(note, weak=False)
    yield sent
    before_task_publish.disconnect(note)


@pytest.fixture
def answers():
    """What browsers and clients were answered: status line, headers and bodies of errors and pages."""
    return []


@pytest.fixture
def journey(portal, open_flow, api, tenant, everything_said, messages, answers, django_capture_on_commit_callbacks):
    """The whole way, errors included. Answers what is worth looking through afterwards."""
    registration = portal.registration
    registration.method, registration.client_secret = "client_secret_basic", CLIENT_SECRET
    registration.save()
    speak_fhir(portal)
    receiver = Receiver()
    receiver.start()
    endpoint = make_endpoint(tenant, receiver.url)
    with django_capture_on_commit_callbacks(execute=True):
        flow = open_flow(**PATIENT, connection_id=portal.source.pk)
        browser = Client()
        answers += [browser.get("/c/wrong"), come_back(browser, "nobody", state="canary-state", code=CODE)]
        failing = left(browser, open_flow(**PATIENT, connection_id=portal.source.pk))
        portal.on("/token", Answer(400, json={"error": "invalid_grant", "error_description": "canary-note"}))
        answers.append(come_back(browser, registration.pk, state=failing, code=CODE))
        portal.on("/token", Answer(json=GRANTED))
        state = left(browser, flow)
        come_back(browser, registration.pk, state=state, code=CODE)
    for pull in Pull.objects.all():
        run_pull(pull.pk)
    connection = Connection.objects.get()
    portal.on(
        "/token", Answer(200, body=b"<html>canary-rotated"), Answer(json=GRANTED | {"refresh_token": "canary-rotated"})
    )
    for _ in range(2):
        try:
            Connection.objects.update(leased_until=None, refresh_due_at=timezone.now())
            refresh_connection(connection.pk)
        except SmartError:
            pass
    drain(hot_seconds=0)
    answers += [
        api.get("/patients/nobody"), api.create("/patients", {"patient_id": 7, "email": "canary-email"}),
        api.get(f"/pulls/{Pull.objects.first().pk}"), api.get(f"/webhooks/{endpoint.pk}"), api.get("/webhooks"),
    ]  # fmt: skip
    receiver.stop()
    return {"link": urlsplit(flow["url"]).path.rpartition("/")[2], "state": state, "secret": endpoint.secret,
            "key": api.defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")}  # fmt: skip


def speak_fhir(portal) -> None:
    """One type, one observation; and a page that cannot be read."""
    portal.on("/fhir/metadata", Answer(json={
        "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"mode": "server", "resource": [
            {"type": "Observation", "interaction": [{"code": "search-type"}], "searchParam": [{"name": "patient"}]},
            {"type": "Condition", "interaction": [{"code": "search-type"}], "searchParam": [{"name": "patient"}]},
        ]}],
    }))  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": OBSERVATION}]}
    portal.on("/fhir/Observation", Answer(json=bundle))
    portal.on("/fhir/Condition", Answer(403, body=b"stack trace: canary-note"))


def test_nothing_leaks_on_the_whole_way(journey, everything_said, messages, answers):
    the_journey_is_a_real_one()
    nothing_secret_or_personal_is_logged(journey, everything_said)
    messages_to_workers_hold_ids_only(journey, messages)
    refusals_and_pages_repeat_nothing(journey, answers)
    no_readable_column_holds_a_secret_and_few_name_the_person(journey)
    no_binary_column_holds_them_open_either()


def the_journey_is_a_real_one():
    assert Connection.objects.get().refresh_token == "canary-rotated"
    assert Pull.objects.get().total == 1


def nothing_secret_or_personal_is_logged(journey, everything_said):
    said = everything_said.getvalue()
    assert "outbound.answered" in said
    for canary in TOKENS + PERSONAL + list(journey.values()):
        assert canary not in said, f"{canary}: {line_with(said, canary)}"


def messages_to_workers_hold_ids_only(journey, messages):
    assert messages
    for canary in TOKENS + PERSONAL + list(journey.values()):
        assert canary not in "".join(messages)


def refusals_and_pages_repeat_nothing(journey, answers):
    for answer in answers:
        told = answer.content.decode() + json.dumps(dict(answer.headers))
        for canary in [*TOKENS, *PERSONAL, journey["secret"], journey["key"], journey["state"]]:
            assert canary not in told, answer.request["PATH_INFO"]


def no_readable_column_holds_a_secret_and_few_name_the_person(journey):
    assert list(plain_secrets()) == []
    for model in apps.get_models():
        if model._meta.app_label in FOREIGN_APPS:
            continue
        names = [
            f.attname
            for f in model._meta.local_fields
            if isinstance(f, models.CharField | models.TextField | models.JSONField)
        ]
        for row in model._base_manager.values(*names) if names else ():
            told = json.dumps(row, default=str)
            for canary in [*TOKENS, journey["link"], journey["state"], journey["secret"], journey["key"]]:
                assert canary not in told, model
            for canary in PERSONAL:
                known = {"organizations.Patient", "portals.Connection", "pulls.Record", "pulls.Search"}
                assert canary not in told or model._meta.label in known, (model, canary)


def no_binary_column_holds_them_open_either():
    with database.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in FOREIGN_APPS:
                continue
            binary = [
                database.ops.quote_name(f.column) for f in model._meta.local_fields if isinstance(f, models.BinaryField)
            ]
            if not binary:
                continue
            cursor.execute(f"SELECT {', '.join(binary)} FROM {model._meta.db_table}")
            told = b"".join(bytes(value) for row in cursor.fetchall() for value in row if value is not None)
            for canary in TOKENS + PERSONAL:
                assert canary.encode() not in told, model


def line_with(said: str, canary: str) -> str:
    return next((line for line in said.splitlines() if canary in line), "")[:500]
