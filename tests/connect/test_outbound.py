"""Calls through the one door: limits, redirects, failures and what is told of them."""

import gzip
import os
import threading
import time
from dataclasses import replace

import pytest
import requests
import structlog

from connect import outbound
from connect.outbound import PORTAL, WEBHOOK, OutboundError
from tests.portals.portal_double import Answer, PortalDouble

HURRIED = replace(PORTAL, connect_seconds=0.2, read_seconds=0.15, total_seconds=0.4)


@pytest.fixture(autouse=True)
def local(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = True
    settings.OUTBOUND_ALLOW_PRIVATE = True
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    settings.OUTBOUND_PROXY_URL = ""
    return settings


@pytest.fixture
def server():
    with PortalDouble() as double:
        yield double


def failure(method, url, policy=HURRIED, **kwargs) -> OutboundError:
    with pytest.raises(OutboundError) as caught:
        outbound.request(method, url, policy=policy, **kwargs)
    return caught.value


def test_it_sends_what_it_is_given_and_returns_what_came(server):
    server.on("/a b", Answer(404))
    server.on("/fhir/Patient", Answer(201, json={"id": "1"}, headers={"ETag": 'W/"2"'}))
    answer = outbound.request(
        "POST", f"{server.url}/fhir/Patient?x=1&y=a%20b", headers={"X-Own": "é"}, body=b"{}", policy=PORTAL
    )
    assert (answer.status, answer.body, answer.headers["etag"]) == (201, b'{"id": "1"}', 'W/"2"')
    assert 0 <= answer.elapsed_ms < 5000
    sent = server.requests[0]
    assert (sent.method, sent.query, sent.body) == ("POST", "x=1&y=a%20b", b"{}")
    assert sent.headers["host"] == f"127.0.0.1:{server.port}"


def test_connections_are_kept_and_shared(server):
    server.on("/", Answer(body=b"x"))
    for _ in range(5):
        outbound.request("GET", server.url + "/", policy=PORTAL)
        outbound.request("HEAD", server.url + "/", policy=PORTAL)
    assert server.connections == 1


def test_a_connection_that_has_rested_is_not_trusted_with_a_token_request(server):
    server.on("/", Answer(body=b"x"))
    distrustful = replace(outbound.PORTAL_TOKEN, idle_seconds=0)
    for _ in range(3):
        outbound.request("POST", server.url + "/", policy=distrustful)
    assert server.connections == 3


def test_a_read_on_a_kept_connection_that_died_is_repeated_once(server):
    server.on("/", Answer(body=b"1"), Answer(hang_up=True), Answer(body=b"2"))
    outbound.request("GET", server.url + "/", policy=PORTAL)
    assert outbound.request("GET", server.url + "/", policy=PORTAL).body == b"2"


def test_a_post_on_a_kept_connection_that_died_is_not_repeated(server):
    server.on("/", Answer(body=b"1"), Answer(hang_up=True), Answer(body=b"2"))
    outbound.request("POST", server.url + "/", policy=PORTAL)
    error = failure("POST", server.url + "/")
    assert (error.reason, error.sent, error.retry_safe) == ("reset", True, False)
    assert len(server.requests) == 2


def test_many_more_calls_than_places_all_get_their_turn(server, local):
    local.OUTBOUND_CONNECTIONS_PER_HOST = 2
    server.on("/", Answer(body=b"x"), Answer(302, headers={"Location": "/2"}), Answer(body=b"y" * 9000))
    server.on("/2", Answer(body=b"z"))
    done = []

    def work():
        policies = (PORTAL, WEBHOOK, PORTAL, WEBHOOK)
        done.extend(outbound.request("GET", server.url + "/", policy=policy).status for policy in policies)

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join(10) for thread in threads]
    assert len(done) == 32
    assert server.connections <= 2 + 32  # those cut short are closed, their places are given back


def test_a_full_house_is_told_apart_from_a_dead_one(server, local):
    local.OUTBOUND_CONNECTIONS_PER_HOST = 1
    server.on("/", Answer(body=b"x" * 100_000))
    with outbound.stream("GET", server.url + "/", policy=PORTAL):
        error = failure("GET", server.url + "/", policy=replace(HURRIED, connect_seconds=0.05))
    assert (error.reason, error.sent, error.retry_safe) == ("busy", False, True)
    assert outbound.request("GET", server.url + "/", policy=PORTAL).status == 200


def test_a_forked_child_makes_its_own_connections(server):
    server.on("/", Answer(body=b"x"))
    outbound.request("GET", server.url + "/", policy=PORTAL)
    child = os.fork()
    if child == 0:
        status = outbound.request("GET", server.url + "/", policy=PORTAL).status
        os._exit(0 if status == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert outbound.request("GET", server.url + "/", policy=PORTAL).status == 200
    assert server.connections == 2


# --- time ------------------------------------------------------------------------------------------


def test_silence_is_a_read_timeout(server):
    server.on("/", Answer(silent=True))
    error = failure("POST", server.url + "/")
    assert (error.reason, error.sent, error.retry_safe) == ("read_timeout", True, False)
    assert failure("GET", server.url + "/").retry_safe


@pytest.mark.parametrize("path", ["head", "body"])
def test_a_drip_is_cut_at_the_whole_time(server, path):
    body = b"x" * 2000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    server.on("/head", Answer(raw=head + body, drip=0.02))
    server.on("/body", Answer(body=body, drip=0.004))
    started = time.monotonic()
    error = failure("GET", f"{server.url}/{path}")
    assert error.reason == "deadline"
    assert error.sent
    assert time.monotonic() - started < 1


def test_a_refused_connection_is_safe_to_repeat(server):
    server.__exit__()
    error = failure("POST", server.url + "/")
    assert (error.reason, error.sent, error.retry_safe) == ("refused", False, True)


def test_a_reset_may_have_been_read(server):
    server.on("/", Answer(reset=True))
    error = failure("POST", server.url + "/")
    assert (error.reason, error.sent, error.retry_safe) == ("reset", True, False)


def test_an_answer_cut_off_in_the_middle_is_no_answer(server):
    server.on("/", Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf"))
    assert failure("GET", server.url + "/").reason == "reset"


def test_what_is_not_http_is_a_bad_answer(server):
    server.on("/", Answer(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"))
    assert failure("GET", server.url + "/").reason == "bad_answer"


# --- size ------------------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_refused_whatever_it_announces(server):
    policy = replace(PORTAL, max_body_bytes=1000)
    server.on("/announced", Answer(body=b"x" * 1001))
    server.on("/unannounced", Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000))
    server.on("/fits", Answer(body=b"x" * 1000))
    assert failure("GET", server.url + "/announced", policy).reason == "too_large"
    assert failure("GET", server.url + "/unannounced", policy).reason == "too_large"
    assert len(outbound.request("GET", server.url + "/fits", policy=policy).body) == 1000


def test_a_gzip_bomb_is_cut_after_decompression(server):
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 60_000
    server.on("/", Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    server.on("/twice", Answer(body=gzip.compress(bomb), headers={"Content-Encoding": "gzip, gzip"}))
    policy = replace(PORTAL, max_body_bytes=1_000_000)
    assert failure("GET", server.url + "/", policy).reason == "too_large"
    assert failure("GET", server.url + "/twice", policy).reason == "too_large"


def test_gzip_is_opened_and_broken_gzip_is_a_bad_answer(server):
    server.on("/", Answer(body=gzip.compress(b"hello"), headers={"Content-Encoding": "gzip"}))
    server.on("/broken", Answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}))
    assert outbound.request("GET", server.url + "/", policy=PORTAL).body == b"hello"
    assert failure("GET", server.url + "/broken").reason == "bad_answer"


def test_a_webhook_receivers_body_is_kept_to_4_kb_and_dropped(server):
    server.on("/hook", Answer(200, body=b"y" * 1_000_000))
    answer = outbound.request("POST", server.url + "/hook", body=b"{}", policy=WEBHOOK)
    assert (answer.status, len(answer.body), answer.truncated) == (200, 4096, True)


def test_a_webhook_receiver_that_drips_its_body_is_cut_and_its_status_counts(server):
    server.on("/hook", Answer(raw=b"HTTP/1.1 204 OK\r\n\r\n"))
    server.on("/drip", lambda request: Answer(raw=b"HTTP/1.1 202 OK\r\n\r\n" + b"z" * 3000, drip=0.005))
    started = time.monotonic()
    answer = outbound.request("POST", server.url + "/drip", body=b"{}", policy=replace(WEBHOOK, total_seconds=0.5))
    assert (answer.status, answer.truncated) == (202, True)
    assert 0 < len(answer.body) < 3000
    assert time.monotonic() - started < 1


def test_a_stream_hands_over_more_than_memory_should_hold(server):
    server.on("/big", Answer(body=b"0123456789" * 100_000))
    with outbound.stream("GET", server.url + "/big", policy=outbound.PORTAL_BINARY) as answer:
        pieces = list(answer.chunks)
    assert answer.status == 200
    assert max(map(len, pieces)) <= 64 * 1024
    assert sum(map(len, pieces)) == 1_000_000


def test_a_stream_over_the_limit_breaks_off(server):
    server.on("/big", Answer(body=b"x" * 10_000))
    taken = []
    with (
        pytest.raises(OutboundError) as caught,
        outbound.stream(
            "GET", server.url + "/big", policy=replace(outbound.PORTAL_BINARY, max_body_bytes=5000)
        ) as answer,
    ):
        taken.extend(answer.chunks)
    assert caught.value.reason == "too_large"
    assert sum(map(len, taken)) == 5000


# --- redirects ---------------------------------------------------------------------------------------


def test_redirects_within_the_origin_are_followed_for_reads(server):
    server.on("/old", Answer(301, headers={"Location": "/new?x=1"}))
    server.on("/new", Answer(body=b"moved"))
    answer = outbound.request("GET", server.url + "/old", headers={"Authorization": "Bearer t"}, policy=PORTAL)
    assert (answer.body, answer.url) == (b"moved", server.url + "/new?x=1")
    assert server.requests[1].headers["authorization"] == "Bearer t"


def test_redirects_elsewhere_are_refused(server):
    with PortalDouble() as other:
        server.on("/old", Answer(302, headers={"Location": other.url + "/steal"}))
        assert failure("GET", server.url + "/old").reason == "redirect"
        assert other.requests == []


def test_redirects_go_round_only_so_often(server):
    server.on("/loop", Answer(302, headers={"Location": "/loop"}))
    assert failure("GET", server.url + "/loop").reason == "redirect"
    assert len(server.requests) == PORTAL.redirects + 1


def test_a_redirect_to_a_forbidden_address_is_refused(server):
    server.on("/old", Answer(302, headers={"Location": "http://169.254.169.254/latest/meta-data"}))
    assert failure("GET", server.url + "/old").reason == "address_not_allowed"
    assert failure("GET", server.url + "/old", outbound.PORTAL_BINARY).reason == "address_not_allowed"


def test_documents_may_be_elsewhere_and_are_fetched_without_the_token(server):
    with PortalDouble() as storage:
        server.on("/Binary/1", Answer(307, headers={"Location": storage.url + "/blob?sig=1"}))
        storage.on("/blob", Answer(body=b"%PDF"))
        headers = {"Authorization": "Bearer t", "Cookie": "a=b", "Accept": "*/*"}
        answer = outbound.request("GET", server.url + "/Binary/1", headers=headers, policy=outbound.PORTAL_BINARY)
        assert answer.body == b"%PDF"
        assert not {"authorization", "cookie"} & storage.requests[0].headers.keys()
        assert storage.requests[0].headers["accept"] == "*/*"


@pytest.mark.parametrize("policy", [WEBHOOK, outbound.PORTAL_TOKEN, PORTAL], ids=lambda policy: policy.name)
def test_a_redirected_post_is_an_answer_not_a_way(server, policy):
    server.on("/hook", Answer(307, headers={"Location": "/elsewhere"}))
    assert outbound.request("POST", server.url + "/hook", body=b"x", policy=policy).status == 307
    assert len(server.requests) == 1


# --- headers, proxies, logs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"X-A": "1\r\nX-B: 2"}),
        ("GET", {"X-A": "1\n 2"}),
        ("GET", {"X-A": "1\0"}),
        ("GET", {"X-A\r\nX-B": "1"}),
        ("GET", {"X A": "1"}),
        ("GET", {"X-A": "ā"}),
        ("GET /evil HTTP/1.1\r\nX:", {}),
    ],
)
def test_line_breaks_cannot_be_smuggled_into_a_request(server, method, headers):
    error = failure(method, server.url + "/", headers=headers)
    assert (error.reason, error.sent) == ("bad_header", False)
    assert server.connections == 0


def test_proxies_of_the_environment_are_ignored_and_the_setting_is_obeyed(server, local, monkeypatch):
    server.on("/", Answer(body=b"direct"))
    with PortalDouble() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert outbound.request("GET", server.url + "/", policy=PORTAL).body == b"direct"
        proxy.on("/", Answer(body=b"by proxy"))
        local.OUTBOUND_PROXY_URL = proxy.url
        assert outbound.request("GET", server.url + "/", policy=PORTAL).body == b"by proxy"
        assert proxy.requests[0].headers["host"] == f"127.0.0.1:{server.port}"
        assert proxy.requests[0].target == server.url + "/"
        assert failure("GET", "http://169.254.169.254/").reason == "address_not_allowed"


def test_log_lines_tell_host_route_status_and_time_and_nothing_else(server, monkeypatch):
    # A logger that was used before keeps the configuration of that time.
    monkeypatch.setattr("connect.outbound.client.log", structlog.get_logger())
    server.on("/Patient/secret-id", Answer(body=b"secret-body"))
    with structlog.testing.capture_logs() as lines:
        outbound.request(
            "GET",
            f"{server.url}/Patient/secret-id?q=secret-query",
            headers={"Authorization": "Bearer secret-token"},
            policy=PORTAL,
            route="/Patient/{id}",
        )
        server.on("/x", Answer(reset=True))
        failure("POST", f"{server.url}/x?q=secret-query", body=b"secret-body")
    answered, failed = lines
    assert answered == {
        "event": "outbound.answered",
        "log_level": "info",
        "host": "127.0.0.1",
        "policy": "portal",
        "method": "GET",
        "route": "/Patient/{id}",
        "status": 200,
        "ms": answered["ms"],
    }
    assert (failed["event"], failed["reason"], failed["sent"]) == ("outbound.failed", "reset", True)
    assert "secret" not in str(lines)


def test_errors_hold_no_url(server):
    server.on("/Patient/secret-id", Answer(reset=True))
    error = failure("POST", f"{server.url}/Patient/secret-id?q=secret-query")
    assert "secret" not in repr(error) + str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


# --- requests ----------------------------------------------------------------------------------------


@pytest.fixture
def session():
    session = requests.Session()
    session.mount("http://", outbound.GuardedAdapter(HURRIED))
    return session


def test_a_requests_session_goes_through_the_same_door(server, session):
    server.on("/json", Answer(json={"a": 1}))
    response = session.post(server.url + "/json", data={"x": "ä&b"}, auth=("id", "secret"))
    assert response.json() == {"a": 1}
    assert response.text == '{"a": 1}'
    assert server.requests[0].form == {"x": "ä&b"}
    assert server.requests[0].headers["authorization"].startswith("Basic ")


def test_a_requests_session_gets_the_doors_errors(server, session):
    server.on("/reset", Answer(reset=True))
    with pytest.raises(OutboundError) as caught:
        session.post(server.url + "/reset", data=b"x", timeout=500, verify=False)
    assert (caught.value.reason, caught.value.sent) == ("reset", True)
    with pytest.raises(OutboundError) as caught:
        session.get("http://169.254.169.254/")
    assert caught.value.reason == "address_not_allowed"


# --- Retry-After -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), (" 0 ", 0), ("99999999", 86400), ("", None), ("soon", None), ("-5", None), ("1.5", None)],
)
def test_retry_after_in_seconds(text, seconds):
    assert outbound.retry_after_seconds({"Retry-After": text}) == seconds


def test_retry_after_as_a_date(time_machine):
    time_machine.move_to("2026-04-25T14:30:00Z", tick=False)
    assert outbound.retry_after_seconds({"Retry-After": "Sat, 25 Apr 2026 14:32:00 GMT"}) == 120
    assert outbound.retry_after_seconds({"Retry-After": "Sat, 25 Apr 2026 14:00:00 GMT"}) == 0
    assert outbound.retry_after_seconds({}) is None
