"""Exports to a FHIR R4 server: the sandbox's, and a scripted one for refusals."""

import json
from datetime import timedelta

import pytest
import requests
import time_machine

from pulls.exports.models import Destination, Export
from pulls.exports.run import run_export
from pulls.fhir.renaming import derived_id
from tests.portals.portal_double import Answer, PortalDouble
from tests.pulls.scripted import fhir, observation

pytestmark = pytest.mark.django_db
TOKEN = "sandbox-export-token"


@pytest.fixture
def server(sandbox):
    """The sandbox's writable FHIR server, empty."""
    base = sandbox.fhir("fhir-server")
    requests.delete(base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    return base


@pytest.fixture
def double():
    """A FHIR server that says what it is told to POSTs."""
    with PortalDouble() as portal:
        portal.on("/fhir/metadata", fhir({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}))
        portal.on("/fhir", lambda request: answered(request, 201))
        yield portal


def answered(request, *statuses: int) -> Answer:
    count = len(json.loads(request.body)["entry"])
    entries = [{"response": {"status": f"{statuses[n % len(statuses)]} Said"}} for n in range(count)]
    return fhir({"resourceType": "Bundle", "type": "batch-response", "entry": entries})


def add(api, base: str, **credentials):
    body = {"name": "Server", "kind": "fhir", "settings": {"base_url": base}, "credentials": credentials}
    return api.create("/export-destinations", body)


def held(server: str, type_: str) -> list[dict]:
    answer = requests.get(
        f"{server}/{type_}?_count=250", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
    ).json()
    return [each["resource"] for each in answer.get("entry", [])]


def test_everything_goes_there_under_ids_that_cannot_clash(api, server, portal, connected, pull, export):
    connection = connected()
    portal.holds("Observation", observation("o-1", valueQuantity={"value": 1}), observation("o-2"))
    pull(connection)
    assert add(api, server, token=TOKEN).status_code == 200
    run = export()
    assert (run.status, run.resources, run.errors) == ("completed", 3, 0)

    source = connection.source_id
    observations = {each["id"]: each for each in held(server, "Observation")}
    assert observations.keys() == {derived_id(source, "Observation", each) for each in ("o-1", "o-2")}
    patient = f"Patient/{derived_id(source, 'Patient', 'pat-1')}"
    assert {each["subject"]["reference"] for each in observations.values()} == {patient}
    assert held(server, "Patient")[0]["identifier"][0]["value"] == "p-1"


def test_sent_again_it_is_an_update_and_no_second_resource(api, server, pulled, export):
    pulled("a")
    destination = add(api, server, token=TOKEN).json()
    export()
    api.create("/exports", {"destination_id": destination["id"], "mode": "all"})
    assert export().resources == 2
    assert [each["meta"]["versionId"] for each in held(server, "Observation")] == ["2"]


def test_digits_arrive_as_they_were(api, server, portal, connected, pull, export):
    portal.on("/fhir/Observation", fhir('{"resourceType":"Bundle","type":"searchset","entry":[{"resource":'
              '{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.500}}}]}'))  # fmt: skip
    pull(connected())
    add(api, server, token=TOKEN)
    export()
    answer = requests.get(f"{server}/Observation", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    assert '"value":1.500' in answer.text


def test_a_whole_patient_of_the_sandbox_arrives(api, server, at_sandbox, pull, export):
    done = pull(at_sandbox())
    add(api, server, token=TOKEN)
    run = export()
    assert (run.status, run.resources, run.errors) == ("completed", done.total, 0)


@pytest.mark.parametrize(("token", "reason"), [("wrong", "bad_credentials"), ("", "bad_credentials")])
def test_wrong_credentials_are_refused_when_saved(api, server, token, reason):
    answer = add(api, server, **({"token": token} if token else {}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "storage_error")
    assert reason in answer.json()["error"]["message"]
    assert not Destination.objects.exists()


def test_a_web_site_is_no_fhir_server(api, double):
    double.on("/fhir/metadata", Answer(200, body=b"<html>"))
    assert "not_fhir" in add(api, f"{double.url}/fhir").json()["error"]["message"]


def test_one_bad_resource_costs_no_other(api, double, pulled, export):
    """A transaction that is refused goes again as a batch; what that refuses is counted with its reason."""
    pulled("a", "b", "c")

    def picky(request):
        if json.loads(request.body)["type"] == "transaction":
            return Answer(422, json={"resourceType": "OperationOutcome"})
        return answered(request, 201, 422)

    assert add(api, f"{double.url}/fhir").status_code == 200
    double.on("/fhir", picky)
    run = export()
    assert (run.status, run.resources, run.errors, run.reasons) == ("completed", 2, 2, {"http_422": 2})


def refusing_transactions(*answers):
    """Transactions are refused; batches are answered with these statuses, one tuple after another."""
    left = list(answers)

    def answer(request):
        if json.loads(request.body)["type"] == "transaction":
            return Answer(422, json={"resourceType": "OperationOutcome"})
        return answered(request, *(left.pop(0) if len(left) > 1 else left[0]))

    return answer


def test_an_entry_that_fails_at_the_server_is_sent_once_more(api, double, pulled, export):
    pulled("a", "b", "c")
    add(api, f"{double.url}/fhir")
    double.on("/fhir", refusing_transactions((201, 500, 500, 201), (201, 500)))
    run = export()
    assert (run.status, run.resources, run.reasons) == ("completed", 3, {"http_500": 1})
    assert [len(json.loads(each.body)["entry"]) for each in double.to("/fhir")][-2:] == [4, 2]


def test_entries_the_server_is_too_busy_for_are_sent_again_later(api, double, pulled):
    pulled("a")
    add(api, f"{double.url}/fhir")
    double.on("/fhir", refusing_transactions((201, 429), (429,), (200,)))
    run = Export.objects.get()
    run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.waiting_for, run.errors) == ("waiting", "http_429", 0)
    with time_machine.travel(run.due_at + timedelta(seconds=1)):
        run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.resources, run.errors) == ("completed", 2, 0)


def test_a_server_that_gives_ids_itself_is_refused_when_saved(api, double):
    types = [{"type": "Patient", "updateCreate": False}, {"type": "Observation", "updateCreate": False}]
    double.on("/fhir/metadata", fhir({"resourceType": "CapabilityStatement", "rest": [{"resource": types}]}))
    assert "no_client_ids" in add(api, f"{double.url}/fhir").json()["error"]["message"]


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(api, double, pulled):
    pulled("a")
    add(api, f"{double.url}/fhir")
    double.on("/fhir", Answer(503, headers={"Retry-After": "600"}), lambda request: answered(request, 200))
    run = Export.objects.get()
    run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.waiting_for) == ("waiting", "http_503")
    assert run.due_at - run.updated_at > timedelta(seconds=590)
    run_export(run.pk)
    assert len(double.to("/fhir")) == 2
    with time_machine.travel(run.due_at + timedelta(seconds=1)):
        run_export(run.pk)
    run.refresh_from_db()
    assert (run.status, run.resources) == ("completed", 2)
