"""The audit log's page: found by request, and checked without walking a log of years in one request."""

import uuid

import pytest
from django.urls import reverse

from connect.audit import walk
from connect.audit.chain import chain_all
from connect.audit.models import Entry
from connect.operations import links
from connect.operations.admin import audit


@pytest.fixture
def chained(world):
    """A log of some acts, each in its place."""
    assert chain_all() == 5
    return Entry.objects.order_by("-position")


def verified(client) -> str:
    return client.get(reverse("admin:audit_entry_verify"), follow=True).content.decode()


def test_the_acts_of_a_request_are_found_by_its_id(world, administrator):
    request_id = str(uuid.uuid4())
    Entry.objects.create(action="pull.queued", actor_kind="staff", request_id=request_id, object_id="pull_by_request")
    found = administrator.get(links.rows("audit.entry", q=request_id.upper())).content.decode()
    assert "pull_by_request" in found
    assert "pull_by_request" not in administrator.get(links.rows("audit.entry", q=str(uuid.uuid4()))).content.decode()


def test_the_newest_entries_are_checked_at_once(chained, administrator, monkeypatch):
    monkeypatch.setattr(audit, "CHECKED_AT_ONCE", 3)
    assert "The newest 3 entries are whole" in verified(administrator)
    chained.filter(position=1).update(actor="eve")
    assert "The newest 3 entries are whole" in verified(administrator)
    chained.filter(pk=chained.first().pk).update(actor="eve")
    assert "it was changed after it was chained" in verified(administrator)


def test_older_ones_by_the_daily_walk_which_is_told_too(chained, administrator, monkeypatch):
    monkeypatch.setattr(audit, "CHECKED_AT_ONCE", 1)
    assert "The first walk along the whole chain is at 0." in verified(administrator)
    walk.go_on()
    assert f"All {chained.count()} were, " in verified(administrator)
    chained.filter(position=1).update(actor="eve")
    walk.ChainCheck.objects.update(due_at=chained.first().at)
    walk.go_on()
    assert "Position 1: it was changed after it was chained" in verified(administrator)
