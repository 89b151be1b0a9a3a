"""`connect listen`: webhooks reach a laptop that Connect cannot reach, signed as in production."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook
from werkzeug import Response

from connect_health import Connect
from connect_health.cli.forwarding import Forwarder, full_url, last_sequence, make_mailbox
from connect_health.webhooks import construct_event
from tests.factories import make_key, make_organization
from tests.journeys.stack import wait_until
from webhooks.deliver import drain
from webhooks.models import Delivery, Endpoint, Event
from webhooks.payloads import body_of

CLIENT = Path(__file__).resolve().parents[2] / "clients/python/src"
BACK = "https://app.test/back"


@pytest.fixture
def app(httpserver):
    """An app on the laptop, that takes every webhook."""
    httpserver.expect_request("/hooks").respond_with_data("")
    return httpserver


@pytest.fixture
def mailbox(connect_itself):
    return make_mailbox(connect_itself, ["*"])


@pytest.fixture
def forwarder(connect_itself, mailbox, app):
    forwarder = Forwarder(
        connect_itself, webhook_id=mailbox.id, after=0, to=app.url_for("/hooks"), secret=mailbox.secret
    )
    yield forwarder
    forwarder.close()


def happen(connect, patient_id: str) -> None:
    """Something that webhooks are told of; the worker looks once."""
    connect.patient_flows.expire(connect.patient_flows.create(patient_id=patient_id, return_url=BACK).id)
    drain(hot_seconds=0)


def arrived(app) -> list:
    return [request for request, _ in app.log]


def test_each_event_arrives_once_in_order_and_nothing_is_sent_by_the_server(connect_itself, forwarder, app):
    for number in range(3):
        happen(connect_itself, f"p-{number}")
    results = [*forwarder.forward_new(), *forwarder.forward_new()]
    assert [(each.event.sequence, each.event.patient_id, each.status) for each in results] == [
        (1, "p-0", 200), (2, "p-1", 200), (3, "p-2", 200),
    ]  # fmt: skip
    assert Delivery.objects.count() == 0


def test_the_app_verifies_it_both_ways(connect_itself, mailbox, forwarder, app):
    happen(connect_itself, "p-1")
    list(forwarder.forward_new())
    (request,) = arrived(app)
    assert Webhook(mailbox.secret).verify(request.data, dict(request.headers))["type"] == "patient_flow.expired"
    by_ours = {"Medblocks-Signature": request.headers["Medblocks-Signature"]}
    assert construct_event(request.data, by_ours, mailbox.secret).patient_id == "p-1"


def test_the_body_is_the_very_one_that_connect_would_send(connect_itself, forwarder, app):
    happen(connect_itself, "p-ü")
    list(forwarder.forward_new())
    assert arrived(app)[0].data == body_of(Event.objects.get())
    assert arrived(app)[0].content_type == "application/json"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_that_is_no_success_is_told_and_the_next_event_comes(connect_itself, mailbox, httpserver, status):
    httpserver.expect_ordered_request("/hooks").respond_with_response(Response(status=status))
    httpserver.expect_ordered_request("/hooks").respond_with_data("")
    forwarder = Forwarder(
        connect_itself, webhook_id=mailbox.id, after=0, to=httpserver.url_for("/hooks"), secret=mailbox.secret
    )
    happen(connect_itself, "p-1")
    happen(connect_itself, "p-2")
    assert [(each.ok, each.status) for each in forwarder.forward_new()] == [(False, status), (True, 200)]


def test_an_app_that_is_not_running_is_told(connect_itself, mailbox):
    forwarder = Forwarder(
        connect_itself, webhook_id=mailbox.id, after=0, to="http://127.0.0.1:9/", secret=mailbox.secret
    )
    happen(connect_itself, "p-1")
    (result,) = forwarder.forward_new()
    assert (result.ok, result.status, result.error) == (False, None, "ConnectError")


def test_an_existing_endpoint_is_followed_from_now_on(connect_itself, mailbox, app):
    happen(connect_itself, "before")
    after = last_sequence(connect_itself, mailbox.id)
    forwarder = Forwarder(
        connect_itself, webhook_id=mailbox.id, after=after, to=app.url_for("/hooks"), secret="whsec_bWluZQ=="
    )
    happen(connect_itself, "after")
    assert [each.event.patient_id for each in forwarder.forward_new()] == ["after"]


def test_what_a_dead_listener_left_goes_and_a_living_ones_stays(connect_itself, mailbox):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = make_mailbox(connect_itself, ["*"])
    Endpoint.objects.filter(pk=left.id).update(metadata={**left.metadata, "pid": gone.pid})
    new = make_mailbox(connect_itself, ["*"])
    assert {each.id for each in connect_itself.webhooks.list()} == {mailbox.id, new.id}


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("3000", "http://localhost:3000"),
        ("localhost:3000/hooks", "http://localhost:3000/hooks"),
        ("https://app.test/hooks", "https://app.test/hooks"),
    ],
)
def test_an_address_may_be_typed_short(typed, url):
    assert full_url(typed) == url


@pytest.mark.parametrize("typed", ["", "ftp://app.test", "localhost:port"])
def test_what_is_no_address_is_refused(typed):
    with pytest.raises(ValueError, match=r".+"):
        full_url(typed)


@contextlib.contextmanager
def listening(base_url: str, key: str, *options: str):
    """The command itself, in a process of its own."""
    environment = os.environ | {
        "CONNECT_KEY": key, "CONNECT_URL": base_url, "PYTHONPATH": str(CLIENT), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "connect_health.cli", "listen", *options], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_secret_forwards_and_leaves_nothing_behind(live_server, app, end):
    key = make_key(make_organization())
    with listening(live_server.url, key, "--forward-to", app.url_for("/hooks"), "--every", "0.2") as process:
        told = process.stdout.readline()
        assert told.startswith(f"Forwarding to {app.url_for('/hooks')}")
        with Connect(key, live_server.url) as connect:
            happen(connect, "p-1")
        assert "patient_flow.expired" in process.stdout.readline()
        secret = told.split()[-1]
        assert construct_event(arrived(app)[0].data, arrived(app)[0].headers, secret).patient_id == "p-1"
        process.send_signal(end)
        assert process.wait(timeout=10) == 0
    assert wait_until(lambda: not Endpoint.objects.exists())


def test_following_an_endpoint_needs_its_secret():
    with listening("http://127.0.0.1:9", "mb_sk_sbx_x", "--forward-to", "3000", "--webhook", "wh_1") as process:
        assert process.wait(timeout=10) == 2
        assert "--webhook needs --secret" in process.stdout.read()
