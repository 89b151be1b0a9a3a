"""An integrator of the hosted product changes base URL and key, and nothing else: its recorded client works."""

import hashlib
import hmac
import json
from functools import partial
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import expect

from tests.journeys import patient
from tests.journeys.recorded import Mismatch, Player, steps_of
from tests.journeys.stack import wait_until

PAGE = "<!doctype html><title>Back</title><h1>Welcome back</h1>"


@pytest.fixture
def integrator(httpserver):
    """The integrator's own server, as it has been for years: it knows the Medblocks signature and no other."""
    httpserver.expect_request("/hooks", method="POST").respond_with_data("ok")
    httpserver.expect_request("/back").respond_with_data(PAGE, content_type="text/html")
    return httpserver


def believed(integrator, secret: str) -> list[dict]:
    """The events that came with a right signature."""
    came = [request for request, _ in integrator.log if request.path == "/hooks"]
    return [json.loads(request.data) for request in came if is_right(request, secret)]


def is_right(request, secret: str) -> bool:
    told = dict(part.split("=", 1) for part in request.headers["Medblocks-Signature"].split(","))
    value = hmac.new(secret.encode(), f"{told['t']}.".encode() + request.data, hashlib.sha256).hexdigest()
    return hmac.compare_digest(told["v1"], value)


def test_a_recorded_client_of_the_hosted_product_works_unchanged(stack, page, integrator, patient_id):
    own = {"receiver": integrator.url_for("/hooks"), "return_url": integrator.url_for("/back?from=connect")}
    player = Player(stack.base_url, stack.access["api_key"], {"patient": patient_id, **own})
    for step in steps_of("hosted_client"):
        if "request" in step:
            player.send(step)
        elif "patient" in step:
            assert come_back(page, player.names["url"]) == player.filled(step["returns"])
        else:
            event = wait_until(partial(delivered, integrator, player, step["webhook"]), seconds=120)
            player.compare(step["body"], event, step["webhook"])


def come_back(page, url: str) -> dict:
    """The patient opens the link, logs in and allows; the parameters they come back with."""
    page.goto(url)
    patient.log_in(page)
    patient.decide(page)
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    return dict(parse_qsl(urlsplit(page.url).query))


def delivered(integrator, player, type: str) -> dict | None:
    return next((event for event in believed(integrator, player.names["secret"]) if event["type"] == type), None)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"a": "$string"}, {}),
        ({"a": "$string"}, {"a": None}),
        ({"a": None}, {"a": "x"}),
        ("$instant", "2026-04-25T14:30:00Z"),
        ("$id:pf_", "conn_01"),
        (["$each", "$int"], []),
        (["$each", "$int"], [1, "2"]),
        ([], ["more"]),
        ("$int", True),
        ("{patient}", "p-2"),
    ],
)
def test_another_answer_is_a_mismatch(shape, value):
    with pytest.raises(Mismatch):
        Player("", "", {"patient": "p-1"}).compare(shape, value, "here")
