"""`manage.py setup` on an empty installation: everything that the first patient needs, or nothing."""

import re
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.test import Client

from connect.audit.models import Entry
from connect.organizations.models import ApiKey, Organization

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough pass phrase"


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("ADMIN_PASSWORD", PASSWORD)


def set_up(**options) -> str:
    out = StringIO()
    call_command("setup", **{"organization": "Trial Finder", "admin": "ada", **options}, stdout=out)
    return out.getvalue()


def test_both_keys_work_and_are_shown_this_once():
    keys = re.findall(r"mb_sk_\w+_\S+", set_up())
    assert [key[:10] for key in keys] == ["mb_sk_sbx_", "mb_sk_live"]
    for key in keys:
        answer = Client().get("/patients", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200
    assert not ApiKey.objects.filter(hash__in=keys).exists()


def test_the_administrator_can_sign_in_and_the_roles_are_there():
    set_up()
    assert get_user_model().objects.get(username="ada").check_password(PASSWORD)
    assert {"viewer", "operator", "administrator"} <= set(Group.objects.values_list("name", flat=True))


def test_portals_find_the_keys_that_sign_for_us():
    set_up()
    published = Client().get("/.well-known/jwks.json").json()["keys"]
    assert {key["alg"] for key in published} == {"RS384", "ES384"}


def test_the_keys_are_in_the_audit_log():
    set_up()
    assert Entry.objects.filter(action="api_key.made").count() == 2


@pytest.mark.parametrize("again", [{"admin": "grace"}, {"organization": "Other"}])
def test_what_exists_already_is_left_alone(again):
    set_up()
    with pytest.raises(CommandError, match="exists already"):
        set_up(**again)
    assert Organization.objects.count() == 1
    assert get_user_model().objects.count() == 1


def test_a_weak_password_makes_nothing(monkeypatch):
    monkeypatch.setenv("ADMIN_PASSWORD", "short")
    with pytest.raises(CommandError, match="too short"):
        set_up()
    assert Organization.objects.count() == 0
