"""A day of each role: what they come to the admin for, from the overview to what came of it."""

import re

from django.utils import timezone
from playwright.sync_api import expect

from connect.organizations.models import ApiKey
from pulls.models import Pull, Search
from webhooks.models import Event


def test_an_operator_finds_a_patients_failed_pull_sees_why_retries_and_watches_it(world, signed_in):
    page = signed_in("operator")
    page.get_by_role("link", name=re.compile("^Pulls failed")).click()
    page.wait_for_url(re.compile("/admin/pulls/pull/"))
    page.goto("/admin/pulls/pull/")
    page.get_by_placeholder(re.compile("patient_id")).fill(world.patient.patient_id)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=world.pull.pk).click()
    expect(page.get_by_text("1 type could not be had; the table says why.")).to_be_visible()
    refused = page.get_by_role("row").filter(has=page.get_by_role("cell", name="Condition", exact=True))
    expect(refused).to_contain_text("http_403")

    page.get_by_role("link", name="Retry what failed").click()
    expect(page.get_by_text("A new pull asks only for the types")).to_be_visible()
    page.get_by_role("button", name="Retry them").click()
    expect(page.get_by_text("is queued.")).to_be_visible()
    again = Pull.objects.exclude(pk=world.pull.pk).get()

    page.goto(f"/admin/pulls/pull/{again.pk.replace('_', '_5F')}/change/")
    expect(page.get_by_text("The plan is not made yet.")).to_be_visible()
    search = Search.objects.create(
        pull=again, order=0, resource_type="Condition", status="running", fetched=3, expected=9
    )
    expect(page.get_by_text("3 of 9")).to_be_visible()
    Search.objects.filter(pk=search.pk).update(fetched=9, status="done")
    expect(page.get_by_text("9 of 9")).to_be_visible()


def test_an_operator_sends_an_event_again(world, signed_in):
    Event.objects.filter(pk=world.event.pk).update(
        status="delivered", delivered_at=timezone.now(), next_attempt_at=None, last_status_code=200
    )
    page = signed_in("operator")
    page.goto(f"/admin/webhooks/event/{world.event.pk.replace('_', '_5F')}/change/")
    page.get_by_role("link", name="Redeliver").click()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("The event is queued.")).to_be_visible()
    assert Event.objects.get(pk=world.event.pk).trigger == "redeliver"


def test_an_administrator_rotates_a_key_and_is_shown_the_new_one_once(world, signed_in):
    page = signed_in("administrator")
    page.goto(f"/admin/organizations/apikey/{world.key.pk.replace('_', '_5F')}/change/")
    page.get_by_role("link", name="Rotate this key").click()
    page.get_by_role("button", name="Rotate").click()
    shown = page.locator("[data-secret]")
    expect(shown).to_be_visible()
    assert shown.inner_text().startswith("mb_sk_sbx_")
    expect(page.get_by_role("button", name="Rotate")).to_be_hidden()
    page.get_by_role("link", name="go on").click()
    page.wait_for_url(re.compile("/change/"))
    expect(page.locator("[data-secret]")).to_have_count(0)
    assert ApiKey.objects.count() == 2


def test_a_viewer_looks_and_has_nothing_to_press(world, signed_in):
    page = signed_in("viewer", world.organization)
    page.goto(f"/admin/pulls/pull/{world.pull.pk.replace('_', '_5F')}/change/")
    expect(page.get_by_text("1 type could not be had; the table says why.")).to_be_visible()
    expect(page.get_by_role("link", name="Retry")).to_have_count(0)
    expect(page.get_by_role("link", name="Audit log")).to_have_count(0)


def test_the_overview_renews_itself(world, signed_in):
    page = signed_in("viewer")
    expect(page.get_by_text(world.alert.text)).to_be_visible()
    world.alert.resolve()
    expect(page.get_by_text(world.alert.text)).to_have_count(0)


def test_the_palette_finds_anything_by_its_id(world, signed_in):
    page = signed_in("operator")
    page.keyboard.press("Control+k")
    page.get_by_placeholder("Type to search").press_sequentially(world.connection.pk)
    page.get_by_role("link", name=re.compile(world.connection.pk)).first.click()
    page.wait_for_url(re.compile("/admin/portals/connection/"))
