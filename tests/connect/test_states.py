"""Lifecycles: a move outside the table is refused, and of two racing workers one wins."""

import pytest

from connect.organizations.models import Environment, Organization
from connect.states import TransitionRefused, mermaid
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint():
    organization = Organization.objects.create(name="Org", slug="org")
    row = Endpoint(organization=organization, environment=Environment.SANDBOX, url="https://example.org/", events=["*"])
    row.secret = "whsec_c2VjcmV0"
    row.save()
    return row


def test_a_move_changes_the_row_and_the_object(endpoint):
    endpoint.disable(reason="by_operator")
    assert endpoint.status == "disabled"
    assert Endpoint.objects.get(pk=endpoint.pk).disabled_reason == "by_operator"


def test_of_two_that_make_the_same_move_one_is_told(endpoint):
    rival = Endpoint.objects.get(pk=endpoint.pk)
    endpoint.disable(reason="first")
    with pytest.raises(TransitionRefused):
        rival.disable(reason="second")
    assert rival.status == "active", "the loser's object is unchanged"
    assert Endpoint.objects.get(pk=endpoint.pk).disabled_reason == "first"


def test_a_sealed_column_written_by_a_move_can_be_read_again(endpoint):
    secret = endpoint.rotate_secret(overlap_seconds=60)
    stored = Endpoint.objects.get(pk=endpoint.pk)
    assert stored.secret == secret
    assert stored.previous_secret == "whsec_c2VjcmV0"


def test_the_diagram_is_printed_from_the_table():
    assert "active --> disabled" in mermaid(Endpoint)
