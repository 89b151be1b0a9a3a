"""Access tokens for pulls: read anew for each request, and refreshed once when a portal refused one."""

import pytest

from portals import actions
from portals.access import AccessLost, access_token, fresh_access_token
from portals.models import Connection
from portals.refresh import claim
from portals.smart.errors import GrantRefused, PortalUnavailable, SmartError
from tests.factories import STAFF
from tests.portals.engine.world import now_of
from tests.portals.portal_double import Answer


def test_pull_401_brings_a_new_token_though_the_old_one_had_not_expired(world):
    connection = world.connect()
    world.answers({"refresh_token": "rt-2"})
    fresh = fresh_access_token(connection.pk, rejected_version=access_token(connection.pk).version)
    assert fresh.token == "at-2"
    assert fresh.version == connection.token_version + 1
    assert "at-2" not in repr(fresh)


def test_pull_access_token_killed_by_other_refresh_uses_the_others_result(world):
    connection = world.connect()
    world.answers({})
    fresh_access_token(connection.pk, rejected_version=connection.token_version)
    assert fresh_access_token(connection.pk, rejected_version=connection.token_version).token == "at-2"
    assert len(world.asked) == 1


def test_a_refresh_that_was_put_off_is_not_tried_again_by_every_request_of_a_pull(world):
    connection = world.connect()
    world.answers(Answer(400, json={"error": "invalid_request"}))
    for _ in range(5):
        with pytest.raises(SmartError) as caught:
            fresh_access_token(connection.pk, rejected_version=connection.token_version)
    assert isinstance(caught.value, PortalUnavailable)
    assert caught.value.retry_after_seconds > 25
    assert len(world.asked) == 1
    assert now_of(connection).status == "active"


def test_rev_during_pull_the_next_request_gets_no_token(world):
    connection = world.connect()
    actions.disconnect(connection=connection, by=STAFF)
    with pytest.raises(AccessLost):
        access_token(connection.pk)
    with pytest.raises(AccessLost):
        fresh_access_token(connection.pk, rejected_version=connection.token_version)
    assert world.asked == []


def test_portal_side_revocation_is_learned_by_the_pull_and_told_once(world):
    connection = world.connect()
    world.answers(Answer(400, json={"error": "invalid_grant"}))
    with pytest.raises((AccessLost, GrantRefused)):
        fresh_access_token(connection.pk, rejected_version=connection.token_version)
    with pytest.raises(AccessLost):
        access_token(connection.pk)
    assert len(world.events("connection.token_refresh_failed")) == 1


def test_access_that_cannot_be_renewed_ends_with_the_first_refusal(world):
    connection = world.connect(refresh_token=None, expires_in=None)
    with pytest.raises(AccessLost):
        fresh_access_token(connection.pk, rejected_version=connection.token_version)
    row = now_of(connection)
    assert (row.status, row.failure_code) == (Connection.Status.EXPIRED, "access_lapsed")
    assert len(world.events("connection.expired")) == 1


def test_a_pull_waits_for_the_worker_that_is_refreshing(world, monkeypatch):
    connection = world.due()
    claim([connection.pk])
    monkeypatch.setattr("portals.access.WAIT_SECONDS", 0.2)
    with pytest.raises(PortalUnavailable) as caught:
        fresh_access_token(connection.pk, rejected_version=connection.token_version)
    assert caught.value.reason == "refresh_under_way"
    assert world.asked == []
