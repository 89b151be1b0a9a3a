"""Every list and every page opens, finds what it should, and leads on."""

import html
import re

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import RequestFactory
from django.urls import resolve

from connect.audit.models import Entry
from connect.operations import links
from connect.operations.admin.base import PAGES_DEEP
from connect.operations.overview.choices import WINDOWS
from tests.operations.world import make_staff, shared_rows

HIDDEN = ("secret-access-token", "secret-refresh-token")


@pytest.fixture
def rows(world):
    person = make_staff("viewer", world.organization)
    more = {"auth.user": person, "auth.group": Group.objects.first(), "audit.entry": Entry.objects.first()}
    return world.rows() | shared_rows() | more


@pytest.fixture
def staff_request(db):
    """Requests of a member of staff, for looking at lists without drawing them."""
    user = make_staff("administrator", everywhere=True)

    def make(url: str):
        request = RequestFactory().get(url)
        request.user = user
        return request

    return make


def test_every_registered_model_is_looked_at_here(rows):
    assert {model._meta.label_lower for model in admin.site._registry} == set(rows)


def test_every_list_and_every_page_opens(rows, administrator):
    for label, row in rows.items():
        listed = administrator.get(links.rows(label))
        assert listed.status_code == 200, label
        assert links.page(label, row.pk) in listed.content.decode(), label
        assert not re.search(r"\d+ results?\b", listed.content.decode()), label  # nobody has counted them
        page = administrator.get(links.page(label, row.pk))
        assert page.status_code == 200, label
        assert not any(secret in page.content.decode() for secret in HIDDEN), label


# What a list is searched by where that is not the row's own id.
TERMS = {
    "auth.user": "username", "auth.group": "name", "audit.entry": "action", "webhooks.delivery": "event_id",
    "operations.alert": "subject", "portals.revocation": "connection_id", "portals.listing": "name",
    "portals.missingportal": "name", "portals.directory": "name", "pulls.record": "pull_id",
}  # fmt: skip


def test_every_list_finds_by_what_it_says(rows, administrator):
    for label, row in rows.items():
        term = getattr(row, TERMS.get(label, "pk"))
        found = administrator.get(links.rows(label, q=term)).content.decode()
        assert links.page(label, row.pk) in found, label
        nothing = administrator.get(links.rows(label, q="no such thing")).content.decode()
        assert links.page(label, row.pk) not in nothing, label


BY_PATIENT = (
    "organizations.patient", "patientflows.patientflow", "patientflows.attempt", "portals.connection", "pulls.pull",
    "pulls.record", "webhooks.event",
)  # fmt: skip


@pytest.mark.parametrize("label", BY_PATIENT)
def test_a_patients_rows_are_found_by_patient_id(label, world, other_world, administrator):
    found = administrator.get(links.rows(label, q=world.patient.patient_id)).content.decode()
    assert links.page(label, world.rows()[label].pk) in found
    assert links.page(label, other_world.rows()[label].pk) not in found


@pytest.mark.parametrize("label", [label for label in BY_PATIENT if label != "webhooks.event"])
def test_a_patients_rows_are_found_by_e_mail_address(label, world, administrator):
    found = administrator.get(links.rows(label, q=world.patient.email)).content.decode()
    assert links.page(label, world.rows()[label].pk) in found


@pytest.mark.parametrize("label", ["patientflows.attempt", "portals.connection", "pulls.pull", "portals.registration"])
def test_rows_are_found_by_their_portals_name(label, world, other_world, administrator):
    found = administrator.get(links.rows(label, q=world.source.name)).content.decode()
    assert links.page(label, world.rows()[label].pk) in found


def test_every_filter_of_every_list_can_be_chosen(rows, staff_request):
    for label in rows:
        page = admin.site._registry[apps.get_model(label)]
        for spec in page.get_list_filter(staff_request("/")):
            for query in _choices(spec, page, staff_request("/")):
                request = staff_request(links.rows(label, **query))
                list(page.get_changelist_instance(request).result_list)


def _choices(spec, page, request):
    if isinstance(spec, tuple):
        name, _ = spec
        return [{f"{name}__exact": value} for value, _ in page.model._meta.get_field(name).choices]
    if isinstance(spec, str):
        return [{f"{spec}__exact": 1}]
    chooser = spec(request, {}, page.model, page)
    return [{chooser.parameter_name: key} for key, _ in chooser.lookups(request, page)]


HREF = re.compile(r'(?:href|hx-get)="([^"#]+)"')


def test_every_link_of_every_page_leads_somewhere(rows, administrator, staff_request):
    """A list that does not know a filter refuses it: that would be a number without its list."""
    pages = [links.page(label, row.pk) for label, row in rows.items()] + [f"/admin/?window={key}" for key in WINDOWS]
    found = {link for page in pages for link in links_of(administrator, page)}
    assert len(found) > 100
    for link in found:
        path, _, query = link.partition("?")
        view = resolve(path)
        page = getattr(view.func, "model_admin", None)
        if query and page and view.url_name.endswith("_changelist"):
            list(page.get_changelist_instance(staff_request(link)).result_list)


def links_of(client, page: str) -> set[str]:
    answer = client.get(page)
    assert answer.status_code == 200, page
    every = {html.unescape(link) for link in HREF.findall(answer.content.decode())}
    absolute = {f"/admin/{link}" if link.startswith("?") else link for link in every}
    return {link for link in absolute if link.startswith("/admin/")}


def test_a_list_has_a_last_page_however_long_it_is(world, administrator):
    assert administrator.get(links.rows("webhooks.event", p=PAGES_DEEP)).status_code == 200
    beyond = administrator.get(links.rows("webhooks.event", p=PAGES_DEEP + 1))
    assert beyond.url.endswith("?e=1")
