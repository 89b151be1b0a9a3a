"""The Python client's calls: what is sent, what is read, what is made again."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from werkzeug import Response

from connect_health import (
    ApiError,
    AuthenticationError,
    Conflict,
    Connect,
    EhrFailed,
    InvalidRequest,
    NoAnswer,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerFailed,
    UnreadableAnswer,
)
from tests.clients import answers
from tests.clients.conftest import KEY


def sent(httpserver) -> list:
    return [request for request, _ in httpserver.log]


def in_turn(httpserver, path: str, *given: Response) -> None:
    """One answer after the other."""
    for answer in given:
        httpserver.expect_ordered_request(path).respond_with_response(answer)


def told(body: dict, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(json.dumps(body), status, named, content_type="application/json")


# What is sent ---------------------------------------------------------------------------------------
def test_every_call_carries_the_key_the_version_and_who_calls(connect, httpserver):
    httpserver.expect_request("/patients/p-1").respond_with_json(answers.patient())
    connect.patients.retrieve("p-1")
    headers = sent(httpserver)[0].headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Version"] == "2026-04-25"
    assert headers["User-Agent"].startswith("connect-health-python/")


def test_a_key_and_a_url_come_from_the_environment(monkeypatch, httpserver, base_url):
    monkeypatch.setenv("CONNECT_KEY", KEY)
    monkeypatch.setenv("CONNECT_URL", base_url + "/")
    httpserver.expect_request("/patients/p-1").respond_with_json(answers.patient())
    with Connect() as client:
        assert client.patients.retrieve("p-1").id == "p-1"


@pytest.mark.parametrize(("key", "url"), [("", "https://connect.test"), (KEY, ""), (KEY, "connect.test")])
def test_a_client_without_key_or_url_says_so_at_once(monkeypatch, key, url):
    monkeypatch.delenv("CONNECT_KEY", raising=False)
    monkeypatch.delenv("CONNECT_URL", raising=False)
    with pytest.raises(ValueError, match="CONNECT_"):
        Connect(key, url)


def test_the_key_is_shown_by_no_repr(connect):
    assert KEY not in repr(connect)
    assert KEY not in repr(connect.patients)


def test_ids_may_hold_any_character(connect, httpserver):
    httpserver.expect_request("/patients/a/b?c ü").respond_with_json(answers.patient("a/b?c ü"))
    assert connect.patients.retrieve("a/b?c ü").id == "a/b?c ü"
    assert sent(httpserver)[0].environ["RAW_URI"] == "/patients/a%2Fb%3Fc%20%C3%BC"


def test_what_is_not_given_is_not_sent(connect, httpserver):
    httpserver.expect_request("/patient-flows", method="POST").respond_with_json(answers.flow())
    connect.patient_flows.create(patient_id="p-1", return_url="https://app.test/back")
    assert json.loads(sent(httpserver)[0].data) == {"patient_id": "p-1", "return_url": "https://app.test/back"}


def test_a_change_tells_none_from_not_given(connect, httpserver):
    httpserver.expect_request("/webhooks/wh_1", method="PATCH").respond_with_json(answers.endpoint())
    connect.webhooks.update("wh_1", description=None)
    assert json.loads(sent(httpserver)[0].data) == {"description": None}


def test_filters_are_written_as_the_api_reads_them(connect, httpserver):
    httpserver.expect_request("/patients/p-1/records").respond_with_json(answers.page())
    since = datetime(2026, 4, 25, 16, 30, tzinfo=UTC) + timedelta(milliseconds=5)
    connect.records.list("p-1", type=["Condition", "Observation"], since=since, changes=True).page()
    assert dict(sent(httpserver)[0].args) == {
        "type": "Condition,Observation", "since": "2026-04-25T16:30:00.005Z", "changes": "true", "count": "100",
    }  # fmt: skip


def test_a_time_without_a_zone_is_refused_before_anything_is_sent(connect, httpserver):
    with pytest.raises(ValueError, match="time zone"):
        connect.records.list("p-1", since=datetime(2026, 4, 25))
    assert sent(httpserver) == []


# What is read ---------------------------------------------------------------------------------------
def test_answers_are_typed_and_later_fields_do_no_harm(connect, httpserver):
    body = answers.patient(connections=[answers.connection(of_a_later_version={"x": 1})], also_later=[])
    httpserver.expect_request("/patients/p-1").respond_with_json(body)
    patient = connect.patients.retrieve("p-1")
    assert patient.created_at == datetime(2026, 4, 25, 14, 30, tzinfo=UTC)
    assert (patient.connections[0].id, patient.connections[0].status) == ("conn_1", "active")


def test_numbers_of_records_keep_their_digits_where_decimals_are_asked_for(base_url, httpserver):
    raw = b'{"data":[{"source":"fhirsrc_1","resource":{"value":6.30}}],"has_more":false,"next_cursor":null}'
    httpserver.expect_request("/patients/p-1/records").respond_with_data(raw, content_type="application/json")
    with Connect(KEY, base_url, decimals=Decimal) as client:
        (record,) = client.records.list("p-1")
    assert str(record.resource["value"]) == "6.30"


def test_a_call_of_a_later_version_can_be_made_by_hand(connect, httpserver):
    httpserver.expect_request("/later", query_string="a=1").respond_with_json({"is": "there"})
    assert connect.request("GET", "/later", query={"a": "1"}) == {"is": "there"}


# Pages ----------------------------------------------------------------------------------------------
@pytest.fixture
def three_patients(httpserver):
    httpserver.expect_ordered_request("/patients", query_string="email=a%40b.test&limit=2").respond_with_json(
        answers.page(answers.patient("1"), answers.patient("2"), cursor="next+/=")
    )
    httpserver.expect_ordered_request(
        "/patients", query_string="email=a%40b.test&limit=2&starting_after=next%2B%2F%3D"
    ).respond_with_json(answers.page(answers.patient("3")))


def test_a_list_turns_its_pages_and_keeps_its_filters(connect, three_patients):
    assert [patient.id for patient in connect.patients.list(email="a@b.test", limit=2)] == ["1", "2", "3"]


def test_a_list_turns_its_pages_asynchronously(in_async, three_patients):
    async def story(connect):
        return [patient.id async for patient in connect.patients.list(email="a@b.test", limit=2)]

    assert in_async(story) == ["1", "2", "3"]


def test_a_list_asks_for_no_page_that_nobody_reads(connect, httpserver, three_patients):
    assert next(iter(connect.patients.list(email="a@b.test", limit=2))).id == "1"
    assert len(sent(httpserver)) == 1


def test_the_last_cursor_of_records_can_be_kept(connect, httpserver):
    item = {"source": "fhirsrc_1", "resource": {"resourceType": "Condition"}}
    httpserver.expect_request("/patients/p-1/records").respond_with_json(
        answers.page(item, cursor="kept", has_more=False)
    )
    pages = list(connect.records.list("p-1").pages())
    assert [page.next_cursor for page in pages] == ["kept"]


# Errors ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("status", "type", "expected"),
    [
        (401, "authentication_error", AuthenticationError),
        (403, "permission_error", PermissionDenied),
        (400, "invalid_request_error", InvalidRequest),
        (404, "not_found_error", NotFound),
        (409, "conflict_error", Conflict),
        (429, "rate_limit_error", RateLimited),
        (502, "ehr_error", EhrFailed),
        (500, "api_error", ServerFailed),
        (418, "error_of_a_later_version", ApiError),
    ],
)
def test_an_error_is_of_its_type_and_says_what_the_envelope_says(base_url, httpserver, status, type, expected):
    body = answers.error("the_code", type, param="metadata.plan")
    httpserver.expect_request("/patients/p-1").respond_with_json(body, status=status)
    with Connect(KEY, base_url, max_retries=0) as client, pytest.raises(ApiError) as caught:
        client.patients.retrieve("p-1")
    assert caught.type is expected
    error = caught.value
    assert (error.status, error.code, error.param, error.message) == (status, "the_code", "metadata.plan", "Told why")
    assert error.doc_url == "http://connect.test/docs/errors/the_code"
    assert error.request_id in str(error)


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b'{"id": 7}'), (404, b"<html>"), (404, b"[]")])
def test_an_answer_that_is_not_the_apis_is_no_crash(connect, httpserver, status, body):
    httpserver.expect_request("/patients/p-1").respond_with_data(body, status=status)
    with pytest.raises(UnreadableAnswer):
        connect.patients.retrieve("p-1")


def test_a_server_that_is_not_there_is_no_answer(waits):
    with Connect(KEY, "http://127.0.0.1:9") as client, pytest.raises(NoAnswer):
        client.patients.retrieve("p-1")
    assert len(waits) == 2


# Retries --------------------------------------------------------------------------------------------
def test_a_post_is_made_again_under_the_same_key(connect, httpserver, waits):
    in_turn(
        httpserver, "/patients",
        told(answers.error("internal_error", "api_error"), 500), told({}, 503), told(answers.patient()),
    )  # fmt: skip
    assert connect.patients.create(patient_id="p-1").id == "p-1"
    keys = {request.headers["Idempotency-Key"] for request in sent(httpserver)}
    assert (len(sent(httpserver)), len(keys)) == (3, 1)
    assert 0.25 <= waits[0] <= 0.5 <= waits[1] <= 1


def test_two_posts_have_two_keys_and_a_get_has_none(connect, httpserver):
    httpserver.expect_request("/patients", method="POST").respond_with_json(answers.patient())
    httpserver.expect_request("/patients", method="GET").respond_with_json(answers.page())
    for _ in range(2):
        connect.patients.create(patient_id="p-1")
    connect.patients.list().page()
    keys = [request.headers.get("Idempotency-Key") for request in sent(httpserver)]
    assert keys[0] != keys[1]
    assert keys[2] is None


def test_an_own_idempotency_key_is_sent(connect, httpserver):
    httpserver.expect_request("/patients").respond_with_json(answers.patient())
    connect.patients.create(patient_id="p-1", idempotency_key="mine")
    assert sent(httpserver)[0].headers["Idempotency-Key"] == "mine"


def test_the_servers_wait_goes_before_our_own(connect, httpserver, waits):
    throttled = answers.error("throttled", "rate_limit_error")
    in_turn(httpserver, "/patients/p-1", told(throttled, 429, Retry_After="7"), told(answers.patient()))
    connect.patients.retrieve("p-1")
    assert waits == [7]


def test_a_wait_that_is_too_long_is_the_callers_decision(connect, httpserver, waits):
    throttled = answers.error("throttled", "rate_limit_error")
    in_turn(httpserver, "/events/evt_1/redeliver", told(throttled, 429, Retry_After="59"))
    with pytest.raises(RateLimited) as caught:
        connect.events.redeliver("evt_1")
    assert (caught.value.retry_after_seconds, waits) == (59, [])


def test_a_first_request_still_at_work_is_waited_for(connect, httpserver, waits):
    busy = answers.error("resource_conflict", "conflict_error")
    in_turn(httpserver, "/patients", told(busy, 409, Retry_After="1"), told(answers.patient()))
    assert connect.patients.create(patient_id="p-1").id == "p-1"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413])
def test_what_another_try_would_not_change_is_not_tried_again(connect, httpserver, waits, status):
    in_turn(httpserver, "/patients", told(answers.error(), status))
    with pytest.raises(ApiError):
        connect.patients.create(patient_id="p-1")
    assert (len(sent(httpserver)), waits) == (1, [])


def test_the_asynchronous_client_retries_and_raises_the_same(in_async, httpserver, waits):
    in_turn(httpserver, "/patients", told({}, 502), told(answers.error(param="email"), 400))

    async def story(connect):
        await connect.patients.create(patient_id="p-1", email="x")

    with pytest.raises(InvalidRequest) as caught:
        in_async(story)
    assert (caught.value.param, len(waits)) == ("email", 1)


def test_a_broken_connection_is_tried_again(base_url, httpserver, waits):
    httpserver.expect_request("/patients/p-1").respond_with_json(answers.patient())
    broken = [httpx.RemoteProtocolError("cut"), None]

    class Breaking(httpx.HTTPTransport):
        def handle_request(self, request):
            if error := broken.pop(0):
                raise error
            return super().handle_request(request)

    with Connect(KEY, base_url, http=httpx.Client(transport=Breaking())) as client:
        assert client.patients.retrieve("p-1").id == "p-1"


# Streams --------------------------------------------------------------------------------------------
LINES = [b'{"resourceType":"Condition","n":6.30}', b'{"resourceType":"Observation"}', b'{"resourceType":"Patient"}']


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_export_gives_each_line_as_it_was_sent(connect, in_async, httpserver, end):
    body = b"\n".join(LINES) + end
    httpserver.expect_request("/patients/p-1/records/$export", query_string="type=Condition").respond_with_handler(
        lambda request: Response((body[i : i + 7] for i in range(0, len(body), 7)), mimetype="application/fhir+ndjson")
    )

    async def story(connect):
        return [line async for line in connect.records.export("p-1", type="Condition")]

    assert list(connect.records.export("p-1", type="Condition")) == LINES
    assert in_async(story) == LINES


def test_an_export_that_breaks_off_is_no_short_export(connect, httpserver):
    cut = Response(iter([LINES[0] + b"\n"]), headers={"Content-Length": "1000"}, mimetype="application/fhir+ndjson")
    httpserver.expect_request("/patients/p-1/records/$export").respond_with_response(cut)
    lines = connect.records.export("p-1")
    assert next(lines) == LINES[0]
    with pytest.raises(NoAnswer, match="broke off"):
        next(lines)


def test_an_export_that_is_refused_raises_the_same_error(connect, httpserver):
    refused = answers.error("resource_not_found", "not_found_error")
    httpserver.expect_request("/patients/p-1/records/$export").respond_with_json(refused, status=404)
    with pytest.raises(NotFound):
        next(connect.records.export("p-1"))
