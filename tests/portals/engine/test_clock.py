"""The sandbox's clock: a connection lives through its future in one call, and what happens on the way is real."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portals import sweep, tasks
from portals.models import Advance, Connection
from tests.portals.engine.world import now_of
from tests.portals.portal_double import Answer

Status = Connection.Status
DAY = 24 * 3600


def advance(api, connection, seconds):
    """Ask over the API; the work is what a worker then does."""
    answer = api.create(f"/sandbox/connections/{connection.pk}/advance", {"seconds": seconds})
    if answer.status_code == 200:
        tasks.live_through(connection.pk)
    return answer


def test_past_expiry_the_access_token_has_been_refreshed(world, api):
    connection = world.connect()
    world.answers({})
    answer = advance(api, connection, 2 * 3600)
    assert answer.json()["id"] == connection.pk
    row = now_of(connection)
    assert row.access_token == "at-2"
    assert len(world.asked) == 2
    assert row.refresh_due_at > timezone.now()


def test_to_the_end_of_consent_the_notice_comes_first(world, api):
    connection = world.connect(grant_ends_at=timezone.now() + timedelta(days=30), expires_in=40 * DAY)
    world.answers({"expires_in": 40 * DAY})
    advance(api, connection, 10 * DAY)
    assert world.events() == []
    advance(api, connection, 25 * DAY)
    assert [event.type for event in world.events()] == ["connection.expiring", "connection.expired"]
    assert now_of(connection).status == Status.EXPIRED


def test_a_grant_that_died_meanwhile_is_found_dead(world, api):
    connection = world.connect()
    world.answers(Answer(400, json={"error": "invalid_grant"}))
    advance(api, connection, 3600)
    assert now_of(connection).status == Status.REFRESH_FAILED
    assert [event.type for event in world.events()] == ["connection.token_refresh_failed"]


def test_access_without_refresh_token_lapses(world, api):
    connection = world.connect(refresh_token=None)
    advance(api, connection, 3601)
    assert now_of(connection).failure_code == "access_lapsed"
    assert world.asked == []


def test_the_next_pull_comes_nearer(world, api):
    connection = world.connect(expires_in=9 * DAY)
    connection.amend(next_pull_at=timezone.now() + timedelta(days=1))
    advance(api, connection, DAY + 60)
    assert now_of(connection).next_pull_at < timezone.now()


def test_a_year_of_hourly_tokens_ends(world, api):
    connection = world.connect()
    world.answers({})
    advance(api, connection, 365 * DAY)
    assert not Advance.objects.exists()
    assert len(world.asked) <= 60


def test_a_lost_message_loses_no_time(world, api):
    connection = world.connect()
    world.answers({})
    api.create(f"/sandbox/connections/{connection.pk}/advance", {"seconds": 3600})
    assert sweep.to_live_through() == [connection.pk]
    tasks.live_through_due()
    assert now_of(connection).access_token == "at-2"
    assert sweep.to_live_through() == []


@pytest.mark.parametrize("body", [{}, {"seconds": 0}, {"seconds": "soon"}, {"seconds": 10**9}, {"seconds": 5, "x": 1}])
def test_what_is_not_a_number_of_seconds_is_refused(world, api, body):
    answer = api.create(f"/sandbox/connections/{world.connect().pk}/advance", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_data")


def test_production_has_no_clock_and_strangers_find_nothing(world, production, stranger):
    connection = world.connect()
    assert advance(production, connection, 5).status_code == 404
    assert advance(stranger, connection, 5).status_code == 404
    assert not Advance.objects.exists()
