"""Who sees patients' personal data is written down; who may not is shown shapes and our own words."""

import json

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone

from connect.audit.models import Entry
from connect.operations import links
from connect.operations.redaction import HIDDEN, redacted
from portals.models import Preflight, Source
from pulls.compartment import US_CORE
from tests.operations.world import BODY


def views(action: str):
    return Entry.objects.filter(action=action)


def content(record) -> str:
    return reverse("admin:pulls_record_show_content", args=[quote(str(record.pk))])


def test_a_records_content_is_shown_as_it_came_and_every_showing_is_noted(world, administrator):
    page = administrator.get(content(world.record)).content.decode()
    assert "120.50" in page
    entry = views("record.viewed").get()
    assert (entry.object_id, entry.organization_id) == (str(world.record.pk), world.organization.pk)
    assert (entry.actor_kind, entry.environment) == ("staff", "sandbox")
    administrator.get(content(world.record))
    assert views("record.viewed").count() == 2


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_without_the_permission_it_is_not_shown(role, world, request):
    client = request.getfixturevalue(role)
    assert client.get(content(world.record)).status_code == 403
    assert BODY.decode() not in client.get(links.page("pulls.record", world.record.pk)).content.decode()
    assert not views("record.viewed").exists()


def test_a_patients_name_and_address_are_for_who_may_see_them(world, viewer, administrator):
    page = links.page("organizations.patient", world.patient.pk)
    hidden, shown = viewer.get(page).content.decode(), administrator.get(page).content.decode()
    assert "Ada Byron" not in hidden
    assert world.patient.email not in hidden
    assert "Ada Byron" in shown
    assert views("patient.viewed").get().object_id == world.patient.pk


def test_lists_show_no_personal_data_even_to_who_may_see_it(world, administrator):
    for label in world.rows():
        page = administrator.get(links.rows(label)).content.decode()
        assert "Ada Byron" not in page, label
        assert world.patient.email not in page, label


def test_an_events_payload_is_redacted_for_who_may_not_see_it(world, viewer, administrator):
    page = links.page("webhooks.event", world.event.pk)
    assert HIDDEN in viewer.get(page).content.decode()
    assert not views("event.viewed").exists()
    assert HIDDEN not in administrator.get(page).content.decode()
    assert views("event.viewed").count() == 1


def test_why_a_patients_data_is_missing_is_told_without_it(world, viewer):
    page = viewer.get(links.page("organizations.patient", world.patient.pk)).content.decode()
    assert f"{world.source.name} refused to share Condition (http_403)" in page
    assert "120.50" not in page


def test_the_audit_log_is_taken_out_as_it_may_be_seen(world, other_world, administrator):
    answer = administrator.get(reverse("admin:audit_entry_export_json"))
    told = json.loads(b"".join(answer.streaming_content))
    assert {entry["organization_id"] for entry in told} >= {world.organization.pk, other_world.organization.pk}
    assert views("audit_log.exported").count() == 1


def test_redaction_keeps_the_shape():
    told = redacted({"id": "pf_1", "patient_id": "p-1", "metadata": {"a": [1, "x"]}, "flag": True, "none": None})
    assert told == {"id": "pf_1", "patient_id": HIDDEN, "metadata": {"a": [HIDDEN, HIDDEN]}, "flag": True, "none": None}


def test_a_patients_page_says_what_the_portal_does_not_offer(world, viewer):
    page = viewer.get(links.page("organizations.patient", world.patient.pk)).content.decode()
    assert "its CapabilityStatement was never read" in page
    offered = {name: {} for name in US_CORE if name not in ("Goal", "Specimen")}
    Source.objects.get(pk=world.source.pk).remember_capabilities(offered | {"Goal": {"can_search": False}})
    page = viewer.get(links.page("organizations.patient", world.patient.pk)).content.decode()
    assert "that it does not offer Goal, Specimen: such records cannot come from it." in page


def test_a_portals_page_shows_its_probes_and_preflights(world, viewer):
    checked = Preflight.objects.create(source=world.source, registration=world.registration)
    assert "not checked yet" in viewer.get(links.page("portals.source", world.source.pk)).content.decode()
    checked.settle(diagnosis="secret_expired", checks=[], due_at=timezone.now())
    page = viewer.get(links.page("portals.source", world.source.pk)).content.decode()
    assert "The client secret has expired." in page
    assert "Probes" in page
