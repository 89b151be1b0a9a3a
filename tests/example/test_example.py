"""The example integrator, against a stand-in for the public API: what it asks, what it believes, what it shows."""

import json
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from standardwebhooks.webhooks import Webhook

from connect.example import views

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PORTAL = {"id": "fhirsrc_plain", "name": "Plain portal", "type": "sandbox"}
LIST = {"resource_type": "list", "has_more": False, "next_cursor": None}


@pytest.fixture(autouse=True)
def configured(monkeypatch, tmp_path, httpserver):
    monkeypatch.setenv("EXAMPLE_API_URL", httpserver.url_for("").rstrip("/"))
    monkeypatch.setenv("EXAMPLE_API_KEY", "mb_sk_sbx_example")
    monkeypatch.setenv("EXAMPLE_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("EXAMPLE_DATA_DIR", str(tmp_path))
    httpserver.expect_request("/connections").respond_with_json({**LIST, "data": [PORTAL]})


@pytest.fixture
def visitor(client, tmp_path):
    """A browser that has been here once: (patient id)."""
    client.get(reverse("example:home"))
    store = views.store_in(tmp_path)
    return store.visitor(client.cookies[views.COOKIE].value)


def signed(event: dict, secret: str = SECRET) -> dict:
    body = json.dumps(event)
    now = datetime.now(tz=UTC)
    return {
        "data": body,
        "content_type": "application/json",
        "headers": {
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(event["id"], now, body),
        },
    }


def completed(patient_id: str) -> dict:
    return {
        "id": "evt_1", "object": "event", "type": "patient_flow.completed",
        "data": {"object": {"resource_type": "patient_flow", "patient_id": patient_id}},
    }  # fmt: skip


def flow_answers(httpserver) -> None:
    httpserver.expect_request("/patient-flows", method="POST").respond_with_json(
        {"id": "pf_1", "url": "http://connect.test/c/token"}
    )


def body_of_flow(httpserver) -> dict:
    return next(json.loads(request.data) for request, _ in httpserver.log if request.path == "/patient-flows")


def test_the_page_offers_both_ways_and_names_the_portals(client):
    page = client.get(reverse("example:home")).content.decode()
    assert "Connect your records" in page
    assert '<option value="fhirsrc_plain">Plain portal</option>' in page


def test_picker_makes_a_flow_and_sends_the_browser_to_its_link(client, visitor, httpserver):
    flow_answers(httpserver)
    response = client.post(reverse("example:connect"), {"mode": "picker"})
    assert (response.status_code, response["Location"]) == (302, "http://connect.test/c/token")
    assert body_of_flow(httpserver) == {
        "patient_id": visitor["patient_id"],
        "return_url": "http://testserver/example/return",
        "return_button_label": "TrialFinder",
        "recommended_connection_ids": ["fhirsrc_plain"],
    }


def test_direct_names_the_chosen_portal(client, visitor, httpserver):
    flow_answers(httpserver)
    client.post(reverse("example:connect"), {"mode": "direct", "connection_id": "fhirsrc_plain"})
    assert body_of_flow(httpserver)["connection_id"] == "fhirsrc_plain"
    assert "recommended_connection_ids" not in body_of_flow(httpserver)


def test_every_call_is_shown_and_the_key_never_is(client, visitor, httpserver):
    flow_answers(httpserver)
    httpserver.expect_request(f"/patients/{visitor['patient_id']}").respond_with_json({"connections": []})
    client.post(reverse("example:connect"), {"mode": "picker"})
    page = client.get(reverse("example:live")).content.decode()
    assert "<b>POST</b> /patient-flows" in page
    assert "mb_sk_sbx_example" not in page


def test_a_webhook_with_a_right_signature_is_kept_and_shown(client, visitor):
    event = completed(visitor["patient_id"])
    assert client.post(reverse("example:webhooks"), **signed(event)).status_code == 200
    assert "patient_flow.completed" in client.get(reverse("example:live")).content.decode()


def test_a_webhook_that_comes_twice_is_one_event(client, visitor, tmp_path):
    for _ in range(2):
        client.post(reverse("example:webhooks"), **signed(completed(visitor["patient_id"])))
    events = views.store_in(tmp_path).events(visitor["patient_id"])
    assert [(event["id"], event["times"]) for event in events] == [("evt_1", 2)]


def test_a_webhook_signed_with_another_secret_is_refused_and_forgotten(client, visitor, tmp_path):
    other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    answer = client.post(reverse("example:webhooks"), **signed(completed(visitor["patient_id"]), other))
    assert answer.status_code == 401
    assert views.store_in(tmp_path).events(visitor["patient_id"]) == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]"])
def test_an_unsigned_webhook_is_refused(client, body):
    answer = client.post(reverse("example:webhooks"), data=body, content_type="application/json")
    assert answer.status_code == 401


def test_records_are_read_on_from_the_last_cursor(client, visitor, httpserver):
    patient = f"/patients/{visitor['patient_id']}"
    flow_answers(httpserver)
    client.post(reverse("example:connect"), {"mode": "picker"})
    connection = {"id": "conn_1", "status": "active", "failure_code": None}
    asthma = {"resourceType": "Condition", "id": "c1", "code": {"text": "Childhood asthma"}}
    httpserver.expect_request(patient).respond_with_json({"connections": [connection]})
    httpserver.expect_request("/pulls").respond_with_json({**LIST, "data": [{"id": "pull_1", "status": "running"}]})
    httpserver.expect_request(f"{patient}/records", query_string="").respond_with_json(
        {**LIST, "data": [{"source": "fhirsrc_plain", "resource": asthma}], "next_cursor": "after-c1"}
    )
    first = client.get(reverse("example:live"))
    assert "Childhood asthma" in first.content.decode()
    assert "BREATHE-2" in first.content.decode()
    assert first["X-Busy"] == "1"
    httpserver.expect_request(f"{patient}/records", query_string="starting_after=after-c1").respond_with_json(
        {**LIST, "data": [], "next_cursor": "after-c1"}
    )
    assert "Childhood asthma" in client.get(reverse("example:live")).content.decode()
    asked = [request.query_string for request, _ in httpserver.log if request.path.endswith("/records")]
    assert asked == [b"", b"starting_after=after-c1"]


def test_return_parameters_of_somebody_else_are_not_believed(client, visitor, httpserver):
    page = client.get(reverse("example:return"), {"patient_id": "other", "patient_flow_id": "pf_9"}).content.decode()
    assert "somebody else" in page
    assert not [request for request, _ in httpserver.log if "pf_9" in request.path]


def test_the_return_shows_its_parameters_and_asks_the_api(client, visitor, httpserver):
    httpserver.expect_request("/patient-flows/pf_1").respond_with_json({"id": "pf_1", "status": "complete"})
    told = {"patient_id": visitor["patient_id"], "patient_flow_id": "pf_1", "success": "false", "error": "user_denied"}
    page = client.get(reverse("example:return"), told).content.decode()
    assert "Not connected: user_denied" in page
    assert "GET</b> /patient-flows/pf_1" in page


def test_an_api_that_does_not_answer_is_a_sentence_not_a_crash(client, monkeypatch):
    monkeypatch.setenv("EXAMPLE_API_URL", "http://127.0.0.1:9")
    page = client.get(reverse("example:home"))
    assert page.status_code == 200
    assert "no answer" in page.content.decode()


def test_pages_carry_no_inline_script_or_style(client):
    page = client.get(reverse("example:home"))
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert "<style" not in page.content.decode()
    assert "style=" not in page.content.decode()
    assert "<script src=" in page.content.decode()
