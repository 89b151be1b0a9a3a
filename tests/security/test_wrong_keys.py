"""Guessing API keys: an address is told to come back, its guesses are not looked up, and honest neighbours go on."""

from datetime import UTC, datetime, timedelta

import pytest
import structlog
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connect import throttling, wrong_keys
from connect.organizations.actions import revoke_key
from connect.organizations.models import ApiKey
from tests.factories import STAFF, ApiClient, make_key

pytestmark = pytest.mark.django_db
LIMIT = 5
NOON = datetime(2030, 5, 1, 12, 0, 20, tzinfo=UTC)  # the minute ends in 40 seconds


@pytest.fixture(autouse=True)
def a_limit_of_five(settings, monkeypatch):
    settings.WRONG_KEYS_PER_MINUTE = LIMIT
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def ask(secret: str, address: str = "192.0.2.1"):
    return ApiClient(secret).get("/patients", REMOTE_ADDR=address)


def guess(times: int, address: str = "192.0.2.1") -> list[int]:
    return [ask(f"mb_sk_live_{number}", address).status_code for number in range(times)]


def test_past_the_limit_guesses_are_told_when_to_come_back():
    assert guess(LIMIT) == [401] * LIMIT
    answer = ask("mb_sk_live_one_more")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "40"


def test_then_guesses_are_not_looked_up(organization):
    right = make_key(organization)  # never used: to this server a guess like any other
    guess(LIMIT + 1)
    with CaptureQueriesContext(connection) as queries:
        assert ask(right).status_code == 429
    assert len(queries) == 0


def test_a_key_that_works_goes_on_from_the_same_address(organization):
    neighbour = make_key(organization)
    assert ask(neighbour, "198.51.100.7").status_code == 200
    guess(LIMIT + 3)
    assert ask(neighbour).status_code == 200


def test_a_revoked_key_ends_there_too(organization):
    neighbour = make_key(organization)
    ask(neighbour)
    guess(LIMIT + 1)
    revoke_key(key=ApiKey.objects.get(), by=STAFF)
    assert ask(neighbour).status_code == 429


def test_another_address_is_another_matter():
    guess(LIMIT + 1)
    assert guess(1, "192.0.2.2") == [401]


def test_ipv6_is_counted_by_what_one_caller_is_given():
    for number in range(LIMIT):
        assert guess(1, f"2001:db8:0:1::{number:x}") == [401]
    assert guess(1, "2001:db8:0:1:ffff::1") == [429]
    assert guess(1, "2001:db8:0:2::1") == [401]


def test_the_minute_ends(a_limit_of_five, organization):
    guess(LIMIT + 1)
    a_limit_of_five.shift(timedelta(seconds=41))
    assert guess(1) == [401]
    assert ask(make_key(organization)).status_code == 200


def test_all_processes_count_together():
    guess(LIMIT)
    wrong_keys.forget()  # as in another process
    assert guess(1) == [429]


def test_right_keys_spend_nothing(organization):
    secret = make_key(organization)
    assert {ask(secret).status_code for _ in range(LIMIT * 3)} == {200}


def test_a_request_with_a_right_key_asks_the_cache_nothing_more(organization, monkeypatch):
    secret = make_key(organization)
    ask(secret)
    monkeypatch.setattr(wrong_keys, "cache", None)
    with structlog.testing.capture_logs() as told:
        assert ask(secret).status_code == 200
    assert "wrong_keys.cache_unreachable" not in [line["event"] for line in told]


def test_without_a_cache_nobody_is_turned_away(monkeypatch, organization):
    class Gone:
        def __getattr__(self, name):
            raise ConnectionError

    monkeypatch.setattr(wrong_keys, "cache", Gone())
    monkeypatch.setattr(throttling, "cache", Gone())
    assert set(guess(LIMIT * 2)) == {401}
    assert ask(make_key(organization)).status_code == 200


def test_zero_sets_no_limit(settings):
    settings.WRONG_KEYS_PER_MINUTE = 0
    assert set(guess(LIMIT * 2)) == {401}


def test_it_is_told_to_the_log_once_a_minute_and_without_the_guesses():
    with structlog.testing.capture_logs() as told:
        guess(LIMIT + 4)
    warnings = [line for line in told if line["event"] == "api_key.guessing"]
    assert [line["address"] for line in warnings] == ["192.0.2.1"]
    assert "mb_sk" not in str(told)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(wrong_keys, "REMEMBERED", 3)
    for number in range(9):
        guess(LIMIT + 1, f"198.51.100.{number}")
        assert len(wrong_keys._shut) <= 3
