"""Direct Mode (contract 3.1): one redirect to the portal, one redirect back to the app."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from patientflows.models import PatientFlow
from portals.models import Connection
from tests.patientflows.visitor import Visitor, path_of
from tests.portals.portal_double import Answer


@pytest.fixture
def flow(open_flow, source) -> dict:
    return open_flow(connection_id=source.pk)


def returned(answer) -> dict[str, str]:
    assert answer.status_code == 303
    return dict(parse_qsl(urlsplit(answer["Location"]).query))


def test_the_link_answers_one_redirect_to_the_login(visitor, flow, hospital):
    answer = visitor.open(flow)
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{hospital.browser_url}/authorize?")
    assert answer.content == b""


def test_granted_comes_back_with_the_source(visitor, flow, source, api, told):
    came = returned(visitor.connect(flow))
    assert came == {
        "from": "connect", "patient_id": "p-1", "patient_flow_id": flow["id"], "success": "true",
        "connection_id": source.pk,
    }  # fmt: skip
    assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "complete"
    assert told() == ["connection.active", "patient_flow.completed"]


def test_refused_comes_back_with_our_words_and_never_the_portals(visitor, flow, api, told):
    came = returned(visitor.come_back(visitor.leave(flow), error="access_denied", error_description="portal text"))
    assert came == {
        "from": "connect", "patient_id": "p-1", "patient_flow_id": flow["id"], "success": "false",
        "error": "user_denied", "error_description": "The patient did not grant access.",
    }  # fmt: skip
    assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "complete"
    assert told() == ["patient_flow.completed"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(400, json={"error": "invalid_grant"}), "token_exchange_failed"),
        (Answer(401, json={"error": "invalid_client"}), "portal_misconfigured"),
        (Answer(200, json={"access_token": "a", "token_type": "Bearer"}), "patient_missing"),
    ],
)
def test_what_goes_wrong_at_the_token_endpoint_is_told_in_the_contracts_words(visitor, flow, hospital, answer, error):
    hospital.on("/token", answer)
    came = returned(visitor.connect(flow))
    assert (came["success"], came["error"]) == ("false", error)
    assert not Connection.objects.exists()


def test_opened_when_the_portal_is_down_it_says_so_and_stays_open(visitor, flow, hospital):
    hospital.on("/fhir/.well-known/smart-configuration", Answer(503))
    hospital.on("/fhir/metadata", Answer(503))
    answer = visitor.open(flow)
    assert answer.status_code == 503
    assert "We cannot reach this portal right now" in answer.content.decode()
    stored = PatientFlow.objects.get()
    assert stored.is_open
    assert not stored.attempts.exists()


def test_opened_twice_the_abandoned_attempt_is_not_told(visitor, flow, api):
    visitor.leave(flow)
    visitor.connect(flow)
    (connection,) = api.get(f"/patient-flows/{flow['id']}").json()["connections"]
    assert connection["status"] == "active"


def test_search_and_portal_pages_are_not_of_this_mode(visitor, flow, source):
    assert visitor.get(f"{path_of(flow['url'])}/search?q=mayo").status_code == 303
    assert Visitor().get(f"{path_of(flow['url'])}/portal/{source.pk}").status_code == 404


def test_the_portal_is_asked_as_smart_says(visitor, flow, source, settings):
    asked = visitor.leave(flow)
    assert asked["response_type"] == "code"
    assert asked["aud"] == source.fhir_base_url
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["state"]) >= 22
    assert asked["redirect_uri"] == f"{settings.BASE_URL}/oauth/callback/epic-tests"
    assert {"launch/patient", "offline_access"} <= set(asked["scope"].split())


def test_reconnecting_leads_to_the_connections_source_and_revives_it(visitor, flow, open_flow, source, api, told):
    visitor.connect(flow)
    connection = Connection.objects.get()
    api.delete(f"/patients/p-1/connections/{connection.pk}")
    again = open_flow(reconnect=connection.pk)
    assert again["connection_id"] == source.pk
    assert returned(visitor.connect(again))["success"] == "true"
    revived = Connection.objects.get()
    assert (revived.pk, revived.status) == (connection.pk, "active")
    assert told() == [
        "connection.active", "patient_flow.completed", "connection.disconnected", "connection.active",
        "patient_flow.completed",
    ]  # fmt: skip


def test_another_patients_connection_cannot_be_reconnected(visitor, flow, api):
    visitor.connect(flow)
    body = {"patient_id": "p-2", "return_url": "https://app.example/", "reconnect": Connection.objects.get().pk}
    answer = api.create("/patient-flows", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "reconnect")
