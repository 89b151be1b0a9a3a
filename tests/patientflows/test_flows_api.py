"""`/patient-flows` (contract 3): what comes in, what goes out, and who may see it."""

import time_machine
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from connect import ids
from patientflows.expire import expire_due
from patientflows.models import PatientFlow
from portals.models import Source
from webhooks.models import Endpoint, Event

BODY = {"patient_id": "p-1", "return_url": "https://app.example.org/back?x=1"}


def a_source(name="Mayo Clinic", base="https://fhir.mayo.example/r4", environment="sandbox") -> Source:
    return Source.objects.create(
        id=ids.source_id(environment, base), environment=environment, fhir_base_url=base, name=name
    )


def listening(organization) -> Endpoint:
    endpoint = Endpoint(
        organization=organization, environment="sandbox", url="https://app.example.org/hooks", events=["*"]
    )
    endpoint.secret = "whsec_c2VjcmV0"
    endpoint.save()
    return endpoint


def test_it_makes_a_flow_and_its_patient(api):
    flow = api.create("/patient-flows", BODY).json()
    assert flow["id"].startswith("pf_")
    assert len(flow["id"]) == 29
    assert flow["resource_type"] == "patient_flow"
    assert flow["status"] == "open"
    assert flow["url"].startswith("http://testserver/c/")
    assert (flow["connection_id"], flow["recommended_connection_ids"], flow["connections"]) == (None, [], [])
    assert flow["created_at"].endswith("Z")
    assert len(flow["created_at"]) == 24
    assert api.get("/patients/p-1").json()["id"] == "p-1"


def test_the_link_lives_as_long_as_asked(api):
    with time_machine.travel("2026-05-01T10:00:00Z", tick=False):
        flow = api.create("/patient-flows", {**BODY, "expires_in": 60}).json()
    assert flow["expires_at"] == "2026-05-01T10:01:00.000Z"


def test_direct_mode_takes_an_id_or_the_raw_base_url(api):
    source = a_source()
    for named in (source.pk, source.fhir_base_url, source.fhir_base_url + "/"):
        flow = api.create("/patient-flows", {**BODY, "connection_id": named}).json()
        assert flow["connection_id"] == source.pk
        assert flow["recommended_connection_ids"] is None


def test_recommended_sources_keep_their_order_and_are_not_repeated(api):
    one, two = a_source("A", "https://a.example/r4"), a_source("B", "https://b.example/r4")
    body = {**BODY, "recommended_connection_ids": [two.pk, one.fhir_base_url, two.pk]}
    assert api.create("/patient-flows", body).json()["recommended_connection_ids"] == [two.pk, one.pk]


def test_an_unknown_source_is_not_found_and_named(api):
    answer = api.create("/patient-flows", {**BODY, "connection_id": "fhirsrc_nope"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "connection_id")
    answer = api.create("/patient-flows", {**BODY, "recommended_connection_ids": [a_source().pk, "fhirsrc_nope"]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "recommended_connection_ids[1]")


def test_a_source_of_the_other_environment_is_not_found(api):
    source = a_source(environment="production")
    assert api.create("/patient-flows", {**BODY, "connection_id": source.pk}).status_code == 404


def test_bad_bodies_name_their_first_fault(api):
    for change, param in [
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": "pat_1"}, "patient_id"),
        ({"patient_id": "x" * 201}, "patient_id"),
        ({"return_url": "/relative"}, "return_url"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"expires_in": 59}, "expires_in"),
        ({"expires_in": 86401}, "expires_in"),
        ({"return_button_label": ""}, "return_button_label"),
        ({"return_button_label": "x" * 61}, "return_button_label"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {str(n): n for n in range(51)}}, "metadata"),
        ({"locale": "de"}, "locale"),
        ({"colour": "red"}, "colour"),
        ({"connection_id": "x", "recommended_connection_ids": []}, "recommended_connection_ids"),
    ]:
        answer = api.create("/patient-flows", {**BODY, **change})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_data", param), change
    assert not PatientFlow.objects.exists(), "a refusal changes nothing"


def test_in_production_the_way_back_must_be_https(api, production):
    body = {**BODY, "return_url": "http://app.example.org/back"}
    assert api.create("/patient-flows", body).status_code == 200
    assert production.create("/patient-flows", body).json()["error"]["param"] == "return_url"


def test_a_flow_of_others_is_not_found(api, stranger, production):
    flow = api.create("/patient-flows", BODY).json()
    for client in (stranger, production):
        for path in ("", "/timeline"):
            assert client.get(f"/patient-flows/{flow['id']}{path}").status_code == 404
        assert client.create(f"/patient-flows/{flow['id']}/expire", {}).status_code == 404
    assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "open"


def test_lists_are_newest_first_and_filtered(api):
    made = [api.create("/patient-flows", {**BODY, "patient_id": f"p-{n % 2}"}).json()["id"] for n in range(5)]
    page = api.get("/patient-flows?limit=3").json()
    assert [flow["id"] for flow in page["data"]] == made[:1:-1]
    rest = api.get(f"/patient-flows?limit=3&starting_after={page['next_cursor']}").json()
    assert [flow["id"] for flow in rest["data"]] == made[1::-1]
    assert (rest["has_more"], rest["next_cursor"]) == (False, None)
    assert len(api.get("/patients/p-1/patient-flows").json()["data"]) == 2
    assert len(api.get("/patient-flows?patient_id=p-0&status=open").json()["data"]) == 3


def test_an_open_flow_can_be_ended_once(api, organization):
    listening(organization)
    flow = api.create("/patient-flows", BODY).json()
    ended = api.create(f"/patient-flows/{flow['id']}/expire", {}).json()
    assert (ended["status"], ended["url"]) == ("expired", None)
    assert api.create(f"/patient-flows/{flow['id']}/expire", {}).json()["error"]["code"] == "resource_conflict"
    assert Event.objects.filter(type="patient_flow.expired").count() == 1


def test_a_link_past_its_time_expires_with_one_event(api, organization):
    listening(organization)
    with time_machine.travel("2026-05-01T10:00:00Z", tick=False) as clock:
        flow = api.create("/patient-flows", {**BODY, "expires_in": 60}).json()
        clock.shift(59)
        expire_due()
        assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "open"
        clock.shift(2)
        expire_due()
        expire_due()
        assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "expired"
    event = Event.objects.get(type="patient_flow.expired")
    assert event.data["object"]["id"] == flow["id"]
    assert event.patient_id == "p-1"


def test_creating_a_flow_takes_at_most_six_queries(api):
    api.create("/patient-flows", BODY)
    source = a_source()
    for body in (BODY, {**BODY, "patient_id": "p-new"}, {**BODY, "connection_id": source.pk}):
        with CaptureQueriesContext(database) as queries:
            assert api.create("/patient-flows", body).status_code == 200
        asked = [q["sql"] for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
        assert len(asked) <= 6, "\n".join(asked)


def test_an_idempotency_key_adds_its_lease_and_its_answer_and_no_more(api):
    api.create("/patient-flows", BODY)
    with CaptureQueriesContext(database) as queries:
        assert api.create("/patient-flows", BODY, **{"Idempotency-Key": "k-1"}).status_code == 200
    changed = [q["sql"].split()[:3] for q in queries if q["sql"].startswith(("INSERT", "UPDATE"))]
    assert changed[0] == ["INSERT", "INTO", '"organizations_idempotentanswer"']
    assert changed[-1][:2] == ["UPDATE", '"organizations_idempotentanswer"']
    asked = [q for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))]
    assert len(asked) <= 6


def test_the_same_idempotency_key_makes_one_flow(api):
    answers = [api.create("/patient-flows", BODY, **{"Idempotency-Key": "k-1"}) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true", "true"]
    other = api.create("/patient-flows", {**BODY, "patient_id": "p-2"}, **{"Idempotency-Key": "k-1"})
    assert other.json()["error"]["code"] == "resource_conflict"
