"""Every view and every action, for every role, over rows of one's own and of another organisation."""

from dataclasses import dataclass
from itertools import product

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import RequestFactory
from django.urls import reverse

from connect.audit.models import Entry
from connect.operations import links
from tests.operations.world import make_staff, shared_rows, signed_in

ROLES = ("viewer", "operator", "administrator")
# Which role an action takes at least, and whether it concerns the whole installation: the table that operators read.
ACTIONS = {
    "organizations.organization": {"make_key": "administrator", "add_destination": "administrator"},
    "organizations.apikey": {"revoke": "administrator", "rotate": "administrator"},
    "organizations.patient": {},
    "patientflows.patientflow": {"expire": "operator"},
    "patientflows.attempt": {},
    "portals.connection": {"pull_now": "operator", "refresh_now": "operator", "disconnect": "operator"},
    "portals.revocation": {},
    "portals.missingportal": {},
    "portals.registration": {},
    "pulls.pull": {"retry": "operator", "retry_failed": "operator", "cancel": "operator", "exchange": "operator"},
    "pulls.record": {"show_content": "administrator"},
    "webhooks.endpoint": {"enable": "operator", "disable": "operator", "recover": "operator", "send_test": "operator",
                          "rotate_secret": "administrator"},
    "webhooks.event": {"redeliver": "operator"},
    "webhooks.delivery": {},
    "operations.alert": {},
    "exports.destination": {"run": "operator", "test": "operator", "enable": "administrator", "disable": "administrator"},
    "exports.export": {"retry": "operator"},
}  # fmt: skip
EVERYWHERE = {
    "portals.source": {"pause_now": "operator", "resume": "operator", "probe": "operator", "withdraw": "administrator"},
    "portals.listing": {},
    "portals.directory": {"compare": "administrator"},
    "portals.directoryupdate": {"approve": "administrator", "drop": "administrator"},
    "portals.circuit": {},
    "portals.signingkey": {},
}
ON_LISTS = {
    "portals.signingkey": {"rotate": "everywhere"},
    "audit.entry": {"export_csv": "administrator", "export_json": "administrator", "verify": "administrator"},
}
# What only administrators may look at.
ADMINISTRATORS_ONLY = ("audit.entry", "auth.user", "auth.group")


@dataclass
class Cast:
    own: dict
    others: dict
    shared: dict
    users: dict

    def request(self, who: str):
        request = RequestFactory().get("/")
        request.user = self.users[who]
        return request


@pytest.fixture
def cast(world, other_world):
    users = {role: make_staff(role, world.organization) for role in ROLES}
    users |= {f"{role} everywhere": make_staff(role, everywhere=True) for role in ROLES}
    users["nobody's"] = make_staff("administrator")
    return Cast(world.rows(), other_world.rows(), shared_rows(), users)


def page_of(label: str):
    return admin.site._registry[apps.get_model(label)]


def each(table: dict):
    return [(label, action, least) for label, actions in table.items() for action, least in actions.items()]


def may(role: str, least: str) -> bool:
    return ROLES.index(role) >= ROLES.index(least)


def test_the_table_lists_every_action_of_every_page():
    told = {label: set(actions) for label, actions in (ACTIONS | EVERYWHERE).items()}
    there = {model._meta.label_lower: set(page.actions_detail) for model, page in admin.site._registry.items()}
    assert {label: there[label] for label in told} == told
    assert {label for label in there if there[label] and label not in told} == {"auth.user"}
    listed = {model._meta.label_lower: set(page.actions_list) for model, page in admin.site._registry.items()}
    assert {label: actions for label, actions in listed.items() if actions} == {
        label: set(actions) for label, actions in ON_LISTS.items()
    }


def test_staff_of_an_organisation_see_its_rows_and_no_others(cast):
    for role, label in product(ROLES, cast.own):
        page, request = page_of(label), cast.request(role)
        assert page.has_view_permission(request), (role, label)
        assert page.row(request, quote(str(cast.own[label].pk))) is not None, (role, label)
        assert page.row(request, quote(str(cast.others[label].pk))) is None, (role, label)
        assert cast.others[label].pk not in set(page.get_queryset(request).values_list("pk", flat=True)), (role, label)
    for role, (label, row) in product(ROLES, cast.shared.items()):
        assert page_of(label).row(cast.request(role), quote(str(row.pk))) is not None, (role, label)


def test_staff_of_the_installation_see_every_row(cast):
    for role, label in product(ROLES, cast.own):
        for row in (cast.own[label], cast.others[label]):
            request = cast.request(f"{role} everywhere")
            assert page_of(label).row(request, quote(str(row.pk))) is not None, (role, label)


def test_staff_of_no_organisation_see_nobodys_rows(cast):
    request = cast.request("nobody's")
    for label in set(cast.own) - {"portals.registration"}:
        assert not page_of(label).get_queryset(request).exists(), label


def test_a_strangers_page_is_not_found_over_http(cast):
    client = signed_in(cast.users["administrator"])
    for label, row in cast.others.items():
        answer = client.get(links.page(label, row.pk))
        assert answer.status_code == 302, label  # to the overview, as for an id that does not exist
        assert answer.url == "/admin/", label


@pytest.mark.parametrize("role", ROLES)
def test_actions_on_ones_own_rows_take_their_role(role, cast):
    client = signed_in(cast.users[role])
    for label, action, least in each(ACTIONS):
        answer = client.get(address(label, action, cast.own[label]))
        assert answer.status_code == (200 if may(role, least) else 403), (label, action)


def test_actions_on_anothers_rows_are_not_found_by_anybody(cast):
    client = signed_in(cast.users["administrator"])
    before = Entry.objects.count()
    for label, action, _ in each(ACTIONS):
        for method in (client.get, client.post):
            answer = method(address(label, action, cast.others[label]), {"_form_submitted": "on"})
            assert answer.status_code == 404, (label, action)
    assert Entry.objects.count() == before


@pytest.mark.parametrize("role", ROLES)
def test_what_concerns_the_whole_installation_is_for_its_own_staff(role, cast):
    theirs, ours = signed_in(cast.users[role]), signed_in(cast.users[f"{role} everywhere"])
    for label, action, least in each(EVERYWHERE):
        url = address(label, action, cast.shared[label])
        assert theirs.get(url).status_code == 403, (label, action)
        assert ours.get(url).status_code == (200 if may(role, least) else 403), (label, action)


def test_signing_keys_are_rotated_by_administrators_of_the_installation(cast):
    url = reverse("admin:portals_signingkey_rotate")
    for role in ROLES:
        assert signed_in(cast.users[role]).get(url).status_code == 403, role
        expected = 200 if role == "administrator" else 403
        assert signed_in(cast.users[f"{role} everywhere"]).get(url).status_code == expected, role


def test_people_and_the_audit_log_are_for_administrators(cast):
    for role, label in product(ROLES, ADMINISTRATORS_ONLY):
        expected = 200 if role == "administrator" else 403
        assert signed_in(cast.users[role]).get(links.rows(label)).status_code == expected, (role, label)


def test_the_audit_log_is_taken_out_by_administrators_only(cast):
    for role, action in product(("viewer", "operator"), ON_LISTS["audit.entry"]):
        client = signed_in(cast.users[f"{role} everywhere"])
        assert client.get(reverse(f"admin:audit_entry_{action}")).status_code == 403, (role, action)


def test_nobody_adds_changes_or_deletes_rows_but_for_the_few_that_are_set_by_hand(cast):
    by_hand = {"organizations.organization", "portals.registration", "portals.directory", "portals.source", "auth.user"}
    request = cast.request("administrator everywhere")
    for model, page in admin.site._registry.items():
        label = model._meta.label_lower
        assert not page.has_delete_permission(request), label
        if label not in by_hand:
            assert not page.has_add_permission(request), label
            assert not page.has_change_permission(request), label


def test_staff_of_an_organisation_change_nothing_that_others_share(cast):
    request = cast.request("administrator")
    for label in ("portals.registration", "portals.directory", "portals.source"):
        assert not page_of(label).has_add_permission(request), label
        assert not page_of(label).has_change_permission(request), label


def test_who_is_not_signed_in_is_sent_to_sign_in(client, cast):
    for label, row in cast.own.items():
        assert client.get(links.page(label, row.pk)).url.startswith("/admin/login/"), label


def test_a_user_who_is_not_staff_is_sent_to_sign_in(cast):
    user = make_staff("administrator", everywhere=True)
    user.is_staff = False
    user.save()
    assert signed_in(user).get("/admin/").url.startswith("/admin/login/")


def address(label: str, action: str, row) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{action}", args=[quote(str(row.pk))])
