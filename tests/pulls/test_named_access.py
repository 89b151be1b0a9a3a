"""The pull cases of smart-fhir.md 7.6 about access, limits and outages; each test bears its case's name."""

from datetime import timedelta

import pytest
import time_machine

from connect.audit.models import Entry
from patientflows.patients import disconnect
from portals.models import Connection
from pulls import run as run_module
from pulls.budgets import CIRCUIT_FAILURES, CIRCUIT_WAIT, key_of
from pulls.models import PortalBudget, Pull, Record
from pulls.run import run_pull
from tests.factories import STAFF, make_endpoint
from tests.portals.portal_double import Answer
from tests.pulls.conftest import make_patient
from tests.pulls.reading import records_of
from tests.pulls.scripted import ScriptedPortal, bundle, fhir, observation
from webhooks.models import Event

pytestmark = pytest.mark.django_db


def until_token(portal, token: str, answer):
    """`answer` for whoever brings this token; 401 for all others."""

    def decide(request):
        if request.headers["authorization"] == f"Bearer {token}":
            return answer(request) if callable(answer) else answer
        return Answer(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    return decide


def test_pull_401_mid_page(api, portal, connected, pull):
    """One refresh, the same page again: no page twice, none lost."""
    portal.pages("Observation", [observation("o-1")], [observation("o-2")], [observation("o-3")])
    pages = portal.scripts["/fhir/Observation"][0]

    def expires_on_page_2(request):
        if "page" in request.parameters and request.headers["authorization"] == "Bearer at-1":
            return Answer(401)
        return pages(request)

    portal.on("/fhir/Observation", expires_on_page_2)
    done = pull(connected())
    assert done.status == "completed"
    assert len(portal.to("/token")) == 1
    search = done.searches.get(resource_type="Observation")
    assert (search.pages, search.fetched, search.stored) == (3, 3, 3)
    assert {"Observation/o-1", "Observation/o-2", "Observation/o-3"} < records_of(api).keys()


def test_pull_second_401(tenant, portal, connected, pull, receiver):
    """A fresh token is refused too: no loop; the pull fails and says why."""
    make_endpoint(tenant, receiver)
    portal.on("/fhir/Patient/pat-1", Answer(401))
    done = pull(connected())
    assert (done.status, done.error) == ("failed", "access_rejected")
    assert len(portal.to("/fhir/Patient/pat-1")) == 2
    assert len(portal.to("/token")) == 1
    assert Event.objects.get(type="records.sync.failed").data["object"]["error_message"] == "access_rejected"


def test_what_came_before_access_was_lost_is_kept(api, portal, connected, pull):
    """Pages 2 and 3 come in one go, and with 4 the token is refused for good: what was read before is stored."""
    pages = [observation(f"o-{number}") for number in range(1, 4)]
    portal.pages("Observation", *([page] for page in pages), Answer(401))
    done = pull(connected())
    assert (done.status, done.error) == ("failed", "access_rejected")
    assert {"Observation/o-1", "Observation/o-2", "Observation/o-3"} < records_of(api).keys()


def test_pull_access_token_killed_by_other_refresh(monkeypatch, portal, connected, pull):
    """Another worker has refreshed: its token is taken from the row, nobody asks the portal again."""
    portal.on("/fhir/Observation", until_token(portal, "at-9", fhir(bundle(observation("o-1")))))
    connection = connected()
    fresh = run_module.fresh_access_token

    def others_were_quicker(connection_id, **rejected):
        row = Connection.objects.get(pk=connection_id)
        if row.token_version == rejected["rejected_version"]:
            row.renew(fence=row.fence, access_token="at-9")
        return fresh(connection_id, **rejected)

    monkeypatch.setattr(run_module, "fresh_access_token", others_were_quicker)
    assert pull(connection).status == "completed"
    assert portal.to("/token") == []


def test_pull_403_one_type(api, portal, connected, pull):
    portal.on("/fhir/Condition", Answer(403))
    portal.holds("Observation", observation("o-1"))
    done = pull(connected())
    assert (done.status, done.errors) == ("partial", 1)
    refused = api.get(f"/pulls/{done.pk}/manifest").json()["types_refused"]
    assert refused == [{"type": "Condition", "status": "refused", "reason": "http_403"}]
    assert "Observation/o-1" in records_of(api)
    assert portal.to("/token") == []


def test_pull_429(portal, connected, pull):
    """Retry-After beyond what a worker waits: the run ends cleanly, and goes on where it was when the time has come."""
    portal.on("/fhir/Observation", Answer(429, headers={"Retry-After": "120"}), fhir(bundle(observation("o-1"))))
    connection = connected()
    PortalBudget.objects.create(key=key_of(connection.source), concurrency=1)
    waiting = pull(connection)
    assert (waiting.status, waiting.waiting_for, waiting.leased_until) == ("waiting", "rate_limited", None)
    assert waiting.due_at >= waiting.updated_at + timedelta(seconds=119)
    run_pull(waiting.pk)
    assert Pull.objects.get().status == "waiting"
    asked = len(portal.to("/fhir/Patient/pat-1"))
    with time_machine.travel(waiting.due_at + timedelta(seconds=1)):
        run_pull(waiting.pk)
    assert Pull.objects.get().status == "completed"
    assert len(portal.to("/fhir/Patient/pat-1")) == asked


def test_a_storm_of_429_ends_the_run_too(monkeypatch, portal, connected, pull):
    monkeypatch.setattr(run_module, "MOST_BUSY_ANSWERS", 3)
    portal.on("/fhir/Patient/pat-1", Answer(429, headers={"Retry-After": "0"}))
    for type_ in ("Observation", "Condition", "Immunization", "AllergyIntolerance", "MedicationRequest"):
        portal.on(f"/fhir/{type_}", Answer(429, headers={"Retry-After": "0"}))
    waiting = pull(connected(overrides={"plan": {"skip": SKIPPED}}))
    assert (waiting.status, waiting.waiting_for) == ("waiting", "rate_limited")


SKIPPED = [
    "DiagnosticReport", "Procedure", "Encounter", "DocumentReference", "CarePlan", "CareTeam", "Goal", "Device",
    "MedicationDispense", "Coverage", "ServiceRequest", "QuestionnaireResponse", "RelatedPerson", "Specimen",
]  # fmt: skip


def test_pull_paused_portal_circuit(api, tenant, portal, connected, pull):
    """Ten failures in a row leave this portal alone, and only this one; the next try closes the circuit again."""
    portal.on("/fhir/Patient/pat-1", Answer(500))
    for type_ in ("AllergyIntolerance", "Condition", "MedicationRequest", "Immunization", "Observation"):
        portal.on(f"/fhir/{type_}", Answer(500))
    waiting = pull(connected())
    assert (waiting.status, waiting.waiting_for) == ("waiting", "portal_unavailable")
    budget = PortalBudget.objects.get()
    assert budget.failures == CIRCUIT_FAILURES - 1
    assert budget.not_before is not None
    with ScriptedPortal() as other:
        elsewhere = connected(portal=other, patient=make_patient(tenant, "p-2"))
        other.holds("Observation", observation("o-2"))
        assert pull(elsewhere).status == "completed"

    portal.on("/fhir/Patient/pat-1", fhir({"resourceType": "Patient", "id": "pat-1"}))
    for type_ in ("AllergyIntolerance", "Condition", "MedicationRequest", "Immunization", "Observation"):
        portal.holds(type_)
    with time_machine.travel(waiting.updated_at + CIRCUIT_WAIT + timedelta(seconds=5)):
        run_pull(waiting.pk)
        assert Pull.objects.get(pk=waiting.pk).status == "completed"
    assert PortalBudget.objects.get(pk=budget.pk).failures == 0


def test_rev_during_pull(portal, connected, pull, monkeypatch):
    """The patient disconnects while a page is on its way: nothing is written after that commit."""
    connection = connected()
    portal.pages("Observation", [observation("o-1")], [observation("o-2")])
    receive = run_module.PullRun.receive

    def disconnects_before_page_2(run, queue, target, answers):
        if "page=2" in target.url:
            disconnect(connection=Connection.objects.get(pk=connection.pk), by=STAFF)
            disconnects_before_page_2.records = Record.objects.count()
        return receive(run, queue, target, answers)

    monkeypatch.setattr(run_module.PullRun, "receive", disconnects_before_page_2)
    done = pull(connection)
    assert (done.status, done.error) == ("canceled", "disconnected")
    assert Record.objects.count() == disconnects_before_page_2.records
    assert not Record.objects.filter(resource_id="o-2").exists()
    assert Entry.objects.filter(action__startswith="connection.").exists()


def test_access_that_was_lost_fails_the_pull(portal, connected, pull):
    """The refresh token is dead: the connection ends, and the pull with it."""
    portal.on("/fhir/Patient/pat-1", Answer(401))
    portal.on("/token", Answer(400, json={"error": "invalid_grant"}))
    connection = connected()
    done = pull(connection)
    assert (done.status, done.error) == ("failed", "access_lost")
    assert Connection.objects.get().status == "refresh_failed"
