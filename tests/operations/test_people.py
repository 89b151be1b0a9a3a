"""Managing people never hands out more than one holds oneself."""

import pytest
from django.contrib.auth.models import Group, User

from connect.audit.models import Entry
from connect.operations import links
from connect.operations.tenancy import organizations_of
from tests.operations.test_actions import do
from tests.operations.world import make_staff, signed_in

NO_MEMBERSHIPS = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}


def group(name: str) -> int:
    return Group.objects.get(name=name).pk


def one_membership(organization) -> dict:
    return {"memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 0, "memberships-0-organization": organization.pk}


def person(**more) -> dict:
    return {
        "username": "grace", "email": "grace@example.org", "password1": "quite-long-enough-1", "password2": "quite-long-enough-1",
        "usable_password": "true", **NO_MEMBERSHIPS, **more,
    }  # fmt: skip


@pytest.fixture
def of_organization(world):
    """An administrator of one organisation."""
    return signed_in(make_staff("administrator", world.organization))


def test_an_administrator_adds_staff_with_a_role(administrator):
    administrator.post("/admin/auth/user/add/", person(groups=[group("operator")]))
    user = User.objects.get(username="grace")
    assert user.is_staff
    assert not user.is_superuser
    assert [each.name for each in user.groups.all()] == ["operator"]
    assert organizations_of(user) == frozenset()  # until somebody says whose rows they see
    entries = Entry.objects.filter(object_id=str(user.pk)).order_by("pk")
    assert [entry.action for entry in entries] == ["staff.added", "staff.roles_changed"]
    assert "quite-long" not in str([entry.detail for entry in entries])


def test_a_short_password_is_refused(administrator):
    administrator.post("/admin/auth/user/add/", person(password1="short", password2="short"))
    assert not User.objects.filter(username="grace").exists()


def test_staff_of_an_organisation_add_staff_to_it_only(of_organization, world, other_world):
    assert "Choose an organisation" in of_organization.post("/admin/auth/user/add/", person()).content.decode()
    of_organization.post("/admin/auth/user/add/", person(**one_membership(other_world.organization)))
    assert not User.objects.filter(username="grace").exists()
    of_organization.post("/admin/auth/user/add/", person(**one_membership(world.organization)))
    assert organizations_of(User.objects.get(username="grace")) == {world.organization.pk}


def test_nobody_gives_a_group_that_gives_more_than_they_have(of_organization, world):
    body = person(groups=[group("everywhere")], **one_membership(world.organization))
    assert "valid choice" in of_organization.post("/admin/auth/user/add/", body).content.decode()
    assert not User.objects.filter(username="grace").exists()


def test_staff_of_an_organisation_do_not_see_others(of_organization, world, other_world):
    theirs = make_staff("viewer", world.organization)
    both = make_staff("viewer", world.organization, other_world.organization)
    stranger, everywhere = make_staff("viewer", other_world.organization), make_staff("viewer", everywhere=True)
    listed = of_organization.get("/admin/auth/user/").content.decode()
    assert links.page("auth.user", theirs.pk) in listed
    for hidden in (both, stranger, everywhere):
        assert of_organization.get(links.page("auth.user", hidden.pk)).status_code == 302


def test_only_a_superuser_changes_a_superuser(administrator):
    root = User.objects.create_superuser("root", password="a long enough password")
    assert (
        administrator.post(links.page("auth.user", root.pk), {"username": "mine", **NO_MEMBERSHIPS}).status_code == 403
    )
    assert administrator.get(f"/admin/auth/user/{root.pk}/password/").status_code == 403
    do(administrator, "auth.user", "reset_two_step", root)
    assert not Entry.objects.filter(action="staff.two_step_reset").exists()


def test_nobody_makes_a_superuser_by_the_form(administrator):
    administrator.post("/admin/auth/user/add/", person(is_superuser="on", user_permissions=[1]))
    user = User.objects.get(username="grace")
    assert not user.is_superuser
    assert not user.user_permissions.exists()


def test_losing_the_last_membership_never_shows_more(world):
    user = make_staff("viewer", world.organization)
    user.memberships.all().delete()
    assert organizations_of(User.objects.get(pk=user.pk)) == frozenset()
