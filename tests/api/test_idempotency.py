"""`Idempotency-Key` (contract 1): a POST that is repeated, however and how often, happens once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from connect.organizations import idempotent_answers
from connect.organizations.models import IdempotentAnswer, Patient
from patientflows.models import PatientFlow
from tests.factories import ApiClient, make_key
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db
FLOW = {"patient_id": "p-1", "return_url": "https://app.example.org/back"}
REQUESTS = 50


def create(client, path="/patient-flows", body=FLOW, key="k-1", **headers):
    return client.create(path, body, **{"Idempotency-Key": key}, **headers)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_make_one_flow(organization):
    secret = make_key(organization)

    def post(_):
        try:
            return create(ApiClient(secret))
        finally:
            connection.close()

    with ThreadPoolExecutor(REQUESTS) as threads:
        answers = list(threads.map(post, range(REQUESTS)))
    assert PatientFlow.objects.count() == Patient.objects.count() == IdempotentAnswer.objects.count() == 1
    made = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert {answer.json()["id"] for answer in made} == {PatientFlow.objects.get().pk}
    assert [answer.headers.get("Idempotent-Replayed") for answer in made].count(None) == 1
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in refused} <= {(409, "resource_conflict")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 5 for answer in refused)
    again = create(ApiClient(secret))
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (PatientFlow.objects.get().pk, "true")


def test_the_first_answer_is_replayed_for_a_day(api, time_machine):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    first = create(api, "/patients", {"patient_id": "p-1"})
    time_machine.shift(timedelta(hours=23, minutes=59))
    replayed = create(api, "/patients", {"patient_id": "p-1"})
    assert replayed.content == first.content
    assert replayed.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    time_machine.shift(timedelta(minutes=2))
    assert create(api, "/patients", {"patient_id": "p-1"}).status_code == 409, "the key is free, the patient is not"


def test_a_refusal_is_replayed_too_under_the_id_of_the_request_that_asks(api):
    first = create(api, body={**FLOW, "expires_in": 5})
    replayed = create(api, body={**FLOW, "expires_in": 5})
    assert (replayed.status_code, replayed.headers["Idempotent-Replayed"]) == (400, "true")
    one, other = first.json()["error"], replayed.json()["error"]
    assert other["request_id"] == replayed.headers["X-Request-Id"] != one["request_id"]
    assert {**one, "request_id": None} == {**other, "request_id": None}


def test_the_same_key_for_another_request_is_a_conflict(api):
    create(api)
    for path, body in (("/patient-flows", {**FLOW, "metadata": {"a": 1}}), ("/patients", {"patient_id": "p-9"})):
        answer = create(api, path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "resource_conflict")
        assert answer.json()["error"]["param"] == "Idempotency-Key"
    assert PatientFlow.objects.count() == 1
    assert not Patient.objects.filter(patient_id="p-9").exists()


def test_keys_belong_to_an_organisation_and_an_environment(api, stranger, production, organization):
    ids = {create(client).json()["id"] for client in (api, stranger, production)}
    assert len(ids) == 3
    same_organisation = ApiClient(make_key(organization))
    assert create(same_organisation).json()["id"] in ids


@pytest.mark.parametrize("key", ["", "x" * 256, "ümlaut", "tab\tbed"])
def test_a_key_is_printable_ascii_of_at_most_255(api, key):
    answer = create(api, key=key)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert not PatientFlow.objects.exists()


def test_a_key_may_be_255_long(api):
    assert create(api, key="~" * 255).status_code == 200


def test_a_fault_of_ours_is_not_kept(organization, monkeypatch):
    client = ApiClient(make_key(organization))
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("patientflows.api.actions.open_flow", lambda **named: 1 / 0)
        assert create(client).status_code == 500
    assert create(client).status_code == 200
    assert PatientFlow.objects.count() == 1


def test_a_request_that_died_on_the_way_is_taken_over_when_its_lease_ran_out(api, monkeypatch, time_machine):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    create(api)
    IdempotentAnswer.objects.update(status=None, body=None)
    PatientFlow.objects.all().delete()
    answer = create(api)
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "5")
    time_machine.shift(61)
    assert create(api).status_code == 200
    assert PatientFlow.objects.count() == 1


def test_a_request_that_took_longer_than_its_lease_changes_nothing(api, monkeypatch):
    """Another has taken over meanwhile: the slow one's changes are rolled back with its answer."""
    open_flow = idempotent_answers.IdempotentAnswer.keep

    def keep(row, status, body):
        IdempotentAnswer.objects.update(leased_until=row.leased_until + timedelta(seconds=1))
        return open_flow(row, status, body)

    monkeypatch.setattr(IdempotentAnswer, "keep", keep)
    assert create(api).status_code == 409
    assert not PatientFlow.objects.exists()
    assert IdempotentAnswer.objects.get().status is None


def test_what_is_kept_is_sealed_and_forgotten_after_a_day(api, time_machine):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    secret = create(api, "/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]}).json()["secret"]
    assert secret.encode() not in bytes(IdempotentAnswer.objects.values_list("body", flat=True).get())
    assert idempotent_answers.prune() == 0
    time_machine.shift(timedelta(hours=25))
    assert idempotent_answers.prune() == 1
    assert Endpoint.objects.count() == 1
