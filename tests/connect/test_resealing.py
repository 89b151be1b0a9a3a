"""Key rotation: everything opens before, during and after, and a broken value is told of, never dropped."""

import base64
import os

import pytest
from django.core.management import CommandError, call_command

from connect.organizations.models import Environment, Organization
from webhooks.models import Endpoint

pytestmark = pytest.mark.django_db


def a_key(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


@pytest.fixture
def endpoint(settings):
    settings.SEALING_KEYS = [a_key("00000001")]
    organization = Organization.objects.create(name="Org", slug="org")
    row = Endpoint(organization=organization, environment=Environment.SANDBOX, url="https://example.org/", events=["*"])
    row.secret = "whsec_c2VjcmV0"
    row.save()
    return row


def test_after_resealing_the_old_key_is_not_needed_any_more(endpoint, settings, capsys):
    old = settings.SEALING_KEYS[0]
    settings.SEALING_KEYS = [a_key("00000002"), old]
    assert Endpoint.objects.get().secret == "whsec_c2VjcmV0", "both keys open meanwhile"
    call_command("reseal")
    settings.SEALING_KEYS = settings.SEALING_KEYS[:1]
    assert Endpoint.objects.get().secret == "whsec_c2VjcmV0"
    assert "whsec_" not in capsys.readouterr().out


def test_a_second_run_finds_nothing_to_do(endpoint, settings, capsys):
    settings.SEALING_KEYS = [a_key("00000002"), *settings.SEALING_KEYS]
    call_command("reseal")
    sealed = Endpoint.objects.get().__dict__["secret"]
    call_command("reseal")
    assert Endpoint.objects.get().__dict__["secret"] == sealed


def test_a_value_that_no_key_opens_is_reported_and_kept(endpoint, settings, capsys):
    before = bytes(Endpoint.objects.get().__dict__["secret"])
    settings.SEALING_KEYS = [a_key("00000002")]
    with pytest.raises(CommandError, match="could not be opened"):
        call_command("reseal")
    assert bytes(Endpoint.objects.get().__dict__["secret"]) == before
