"""What operators do: each action asks first, does one thing, says what came of it, and is in the audit log."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone

from connect.audit.models import Entry
from connect.errors import ExpiredApiKey, InvalidApiKey
from connect.operations import links
from connect.organizations.authentication import find_key
from connect.organizations.models import ApiKey
from portals.models import Connection, Registration, SigningKey
from pulls.actions import cancel
from pulls.models import Pull
from webhooks.models import Endpoint, Event

SECRET = re.compile(r"data-secret>([^<]+)<")


def address(label: str, action: str, row) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{action}", args=[quote(str(row.pk))])


def do(client, label: str, action: str, row, **fields):
    """Press the button of the dialog."""
    return client.post(address(label, action, row), {"_form_submitted": "on", **fields}, headers={"HX-Request": "true"})


def said(client, answer) -> str:
    """What the page that follows says."""
    return client.get(answer.headers["HX-Redirect"]).content.decode()


def last_entry() -> Entry:
    return Entry.objects.order_by("-pk").first()


def test_an_action_asks_before_it_acts(world, operator):
    url = reverse("admin:portals_connection_disconnect", args=[quote(world.connection.pk)])
    asked = operator.get(url).content.decode()
    assert "Disconnect?" in asked
    assert Connection.objects.get().status == Connection.Status.ACTIVE


class TestPulls:
    def test_pull_now_queues_one(self, world, operator):
        answer = do(operator, "portals.connection", "pull_now", world.connection)
        pull = Pull.objects.exclude(pk=world.pull.pk).get()
        assert pull.trigger == Pull.Trigger.MANUAL
        assert f"{pull.pk} is queued." in said(operator, answer)
        assert (last_entry().action, last_entry().actor_kind) == ("pull.queued", "staff")

    def test_a_pull_that_is_over_can_be_retried_and_an_open_one_can_not(self, world, operator):
        do(operator, "pulls.pull", "retry", world.pull)
        again = Pull.objects.exclude(pk=world.pull.pk).get()
        assert again.trigger == Pull.Trigger.RETRY
        assert "still open" in said(operator, do(operator, "pulls.pull", "retry", again))
        assert Pull.objects.count() == 2

    def test_an_open_pull_can_be_canceled_once(self, world, operator):
        do(operator, "pulls.pull", "retry", world.pull)
        again = Pull.objects.exclude(pk=world.pull.pk).get()
        do(operator, "pulls.pull", "cancel", again)
        again.refresh_from_db()
        assert again.status == Pull.Status.CANCELED
        assert (last_entry().action, last_entry().object_id) == ("pull.canceled", again.pk)
        do(operator, "pulls.pull", "cancel", again)
        assert Entry.objects.filter(action="pull.canceled").count() == 1

    def test_what_failed_alone_is_asked_again(self, world, operator):
        answer = do(operator, "pulls.pull", "retry_failed", world.pull)
        again = Pull.objects.exclude(pk=world.pull.pk).get()
        assert (again.trigger, again.retry_of) == (Pull.Trigger.RETRY, world.pull)
        assert f"{again.pk} is queued." in said(operator, answer)
        assert (last_entry().action, last_entry().object_id, last_entry().actor_kind) == (
            "pull.queued",
            again.pk,
            "staff",
        )
        page = operator.get(links.page("pulls.pull", world.pull.pk)).content.decode()
        assert "Asked again" in page
        assert links.page("pulls.pull", again.pk) in page

    def test_an_open_pulls_page_moves_as_a_whole_until_it_has_ended(self, world, viewer):
        pull = Pull.objects.create(
            organization=world.organization, environment="sandbox", connection=world.connection, patient=world.patient,
            trigger="manual",
        )  # fmt: skip
        live = reverse("admin:pulls_pull_live", args=[quote(pull.pk)])
        assert f'hx-get="{live}"' in viewer.get(links.page("pulls.pull", pull.pk)).content.decode()
        Pull.objects.filter(pk=pull.pk).update(status="running", total=321)
        moved = viewer.get(live).content.decode()
        assert f'hx-get="{live}"' in moved
        assert "321" in moved
        cancel(pull, reason="by_request")
        assert viewer.get(live).headers["HX-Refresh"] == "true"

    def test_the_page_of_one_that_is_over_stands_still_and_says_why(self, world, viewer):
        finished = viewer.get(links.page("pulls.pull", world.pull.pk)).content.decode()
        assert "/live/" not in finished
        assert "Condition: refused" in finished
        assert "The portal said: access was refused (403)." in finished
        assert links.page("webhooks.event", world.event.pk) in finished

    def test_the_exchange_of_a_pull_that_is_not_complete_is_shown_and_taken_out(self, world, operator):
        page = operator.get(links.page("pulls.pull", world.pull.pk)).content.decode()
        assert "/Condition?patient=abc" in page
        answer = operator.get(reverse("admin:pulls_pull_exchange", args=[quote(world.pull.pk)]))
        assert answer.json()["calls"][0]["reason"] == "http_403"
        assert "attachment" in answer.headers["Content-Disposition"]
        assert (last_entry().action, last_entry().object_id) == ("pull.exchange_taken_out", world.pull.pk)


class TestButtons:
    """A page offers what can be done with its row now, and nothing else."""

    def offered(self, client, label: str, row) -> set[str]:
        page = client.get(links.page(label, row.pk)).content.decode()
        every = admin.site._registry[type(row)].actions_detail
        return {action for action in every if f'"{address(label, action, row)}"' in page}

    def test_an_open_pull_can_be_canceled_and_one_that_is_over_retried(self, world, operator):
        assert self.offered(operator, "pulls.pull", world.pull) == {"retry", "retry_failed", "exchange"}
        do(operator, "pulls.pull", "retry", world.pull)
        again = Pull.objects.exclude(pk=world.pull.pk).get()
        assert self.offered(operator, "pulls.pull", again) == {"cancel"}

    def test_an_endpoint_is_enabled_or_disabled(self, world, operator):
        assert self.offered(operator, "webhooks.endpoint", world.endpoint) == {"disable", "recover", "send_test"}
        assert "redeliver" in self.offered(operator, "webhooks.event", world.event)
        do(operator, "webhooks.endpoint", "disable", world.endpoint)
        assert self.offered(operator, "webhooks.endpoint", world.endpoint) == {"enable"}
        assert self.offered(operator, "webhooks.event", world.event) == set()

    def test_without_access_nothing_is_pulled_or_refreshed(self, world, operator):
        assert self.offered(operator, "portals.connection", world.connection) == {
            "pull_now",
            "refresh_now",
            "disconnect",
        }
        do(operator, "portals.connection", "disconnect", world.connection)
        assert self.offered(operator, "portals.connection", world.connection) == set()
        assert self.offered(operator, "pulls.pull", world.pull) == {"exchange"}

    def test_a_role_without_the_permission_is_offered_nothing(self, world, viewer):
        for label in ("pulls.pull", "portals.connection", "webhooks.endpoint", "webhooks.event"):
            assert self.offered(viewer, label, world.rows()[label]) == set()


class TestConnections:
    def test_disconnect_forgets_the_tokens(self, world, operator):
        do(operator, "portals.connection", "disconnect", world.connection)
        connection = Connection.objects.get()
        assert (connection.status, connection.access_token) == (Connection.Status.DISCONNECTED, None)
        assert last_entry().action == "connection.disconnected"

    def test_refresh_now_makes_the_refresh_due(self, world, operator):
        do(operator, "portals.connection", "refresh_now", world.connection)
        assert Connection.objects.get().refresh_due_at <= timezone.now()
        assert last_entry().action == "connection.refresh_requested"


def test_an_open_link_can_be_ended_once(world, operator):
    do(operator, "patientflows.patientflow", "expire", world.flow)
    world.flow.refresh_from_db()
    assert world.flow.status == "expired"
    answer = do(operator, "patientflows.patientflow", "expire", world.flow)
    assert "not open any more" in said(operator, answer)


class TestWebhooks:
    def test_an_event_is_sent_again_once_a_minute(self, world, operator):
        do(operator, "webhooks.event", "redeliver", world.event)
        assert Event.objects.get(pk=world.event.pk).trigger == "redeliver"
        assert last_entry().action == "event.redelivered"
        assert "once a minute" in said(operator, do(operator, "webhooks.event", "redeliver", world.event))

    def test_a_disabled_endpoint_is_enabled_and_recovered(self, world, operator):
        do(operator, "webhooks.endpoint", "disable", world.endpoint)
        assert not Event.objects.filter(status="pending").exists()
        do(operator, "webhooks.endpoint", "enable", world.endpoint)
        assert not Event.objects.filter(status="pending").exists()
        answer = do(operator, "webhooks.endpoint", "recover", world.endpoint, hours="24")
        assert "events are queued" in said(operator, answer)
        assert Event.objects.filter(status="pending").count() == Event.objects.count()

    def test_a_rotated_secret_is_shown_once(self, world, administrator):
        before = Endpoint.objects.get().secret
        answer = do(administrator, "webhooks.endpoint", "rotate_secret", world.endpoint, overlap="3600")
        shown = SECRET.search(answer.content.decode())[1]
        assert shown == Endpoint.objects.get().secret != before
        assert "no-store" in answer.headers["Cache-Control"]
        assert shown not in administrator.get(links.page("webhooks.endpoint", world.endpoint.pk)).content.decode()


class TestKeys:
    def test_a_new_keys_secret_is_shown_once_and_works(self, world, administrator):
        answer = do(
            administrator, "organizations.organization", "make_key", world.organization,
            name="analytics", environment="production", scopes=["records:read"],
        )  # fmt: skip
        secret = SECRET.search(answer.content.decode())[1]
        assert (last_entry().action, last_entry().actor_kind) == ("api_key.made", "staff")
        key = find_key(secret)
        assert (key.name, key.environment, key.scopes) == ("analytics", "production", ["records:read"])
        assert secret not in administrator.get(links.page("organizations.apikey", key.pk)).content.decode()

    def test_a_key_without_scopes_is_not_made(self, world, administrator):
        before = ApiKey.objects.count()
        fields = {"name": "x", "environment": "sandbox"}
        answer = do(administrator, "organizations.organization", "make_key", world.organization, **fields)
        assert "required" in answer.content.decode()
        assert ApiKey.objects.count() == before

    def test_a_revoked_key_is_refused(self, world, administrator):
        do(administrator, "organizations.apikey", "revoke", world.key)
        with pytest.raises(InvalidApiKey):
            find_key(world.secret)
        assert last_entry().action == "api_key.revoked"

    def test_a_rotated_key_goes_on_working_for_its_overlap(self, world, administrator, time_machine):
        answer = do(administrator, "organizations.apikey", "rotate", world.key, overlap="24")
        fresh = find_key(SECRET.search(answer.content.decode())[1])
        assert (fresh.name, fresh.scopes) == (world.key.name, world.key.scopes)
        assert find_key(world.secret).pk == world.key.pk
        time_machine.move_to(timezone.now() + timedelta(hours=24, seconds=1))
        with pytest.raises(ExpiredApiKey):
            find_key(world.secret)
        assert find_key(SECRET.search(answer.content.decode())[1]).pk == fresh.pk

    def test_a_revoked_key_cannot_be_rotated(self, world, administrator):
        do(administrator, "organizations.apikey", "revoke", world.key)
        before = ApiKey.objects.count()
        assert "make a new one" in said(
            administrator, do(administrator, "organizations.apikey", "rotate", world.key, overlap="1")
        )
        assert ApiKey.objects.count() == before

    def test_signing_keys_are_rotated(self, db, administrator):
        url = reverse("admin:portals_signingkey_rotate")
        administrator.post(url, {"_form_submitted": "on"}, headers={"HX-Request": "true"})
        assert SigningKey.objects.count() == 2
        assert last_entry().action == "signing_keys.rotated"


class TestPortals:
    def test_a_portal_is_paused_and_resumed(self, world, operator):
        answer = do(operator, "portals.source", "pause_now", world.source, hours="4")
        world.source.refresh_from_db()
        assert world.source.is_paused
        assert "Paused until" in said(operator, answer)
        do(operator, "portals.source", "resume", world.source)
        world.source.refresh_from_db()
        assert not world.source.is_paused
        assert last_entry().action == "portal.resumed"

    def test_a_portal_that_does_not_answer_is_told_in_words(self, world, operator):
        answer = do(operator, "portals.source", "probe", world.source)
        assert "host name is not known" in said(operator, answer)
        assert (last_entry().action, last_entry().detail["outcome"]) == ("portal.probed", "dns")

    def test_a_withdrawn_portal_is_not_offered_any_more(self, world, administrator):
        do(administrator, "portals.source", "withdraw", world.source)
        world.source.refresh_from_db()
        assert world.source.withdrawn_at is not None

    def test_overrides_must_be_known(self, world, administrator):
        page = links.page("portals.source", world.source.pk)
        refused = administrator.post(page, {"overrides": '{"nonsense": 1}', "rate_limit_group": ""})
        assert "Not known: nonsense" in refused.content.decode()
        administrator.post(page, {"overrides": '{"page_size": 20}', "rate_limit_group": "epic-cloud"})
        world.source.refresh_from_db()
        assert (world.source.overrides, world.source.rate_limit_group) == ({"page_size": 20}, "epic-cloud")
        assert last_entry().detail == {"fields": ["overrides", "rate_limit_group"]}

    def test_a_registrations_id_is_chosen_once_since_its_redirect_uri_ends_in_it(self, world, administrator):
        page = reverse("admin:portals_registration_add")
        assert "Choose it before you register" in administrator.get(page).content.decode()
        fields = {"environment": "sandbox", "vendor": "epic", "client_id": "from-epic", "method": "public",
                  "algorithm": "RS384"}  # fmt: skip
        assert "part of a URL" in administrator.post(page, fields | {"id": "epic/production"}).content.decode()
        administrator.post(page, fields | {"id": "epic-production"})
        kept = Registration.objects.get(pk="epic-production")
        page = links.page("portals.registration", kept.pk)
        assert "/oauth/callback/epic-production" in administrator.get(page).content.decode()
        administrator.post(page, fields | {"id": "other", "client_id": "newer"})
        kept.refresh_from_db()
        assert (kept.client_id, Registration.objects.filter(pk="other").exists()) == ("newer", False)

    def test_a_registrations_secret_goes_in_and_never_comes_out(self, world, administrator):
        page = links.page("portals.registration", world.registration.pk)
        fields = {"environment": "sandbox", "vendor": "", "source": world.source.pk, "client_id": "connect",
                  "method": "client_secret_basic", "algorithm": "RS384", "organization": world.organization.pk}  # fmt: skip
        assert "needs a client secret" in administrator.post(page, fields).content.decode()
        administrator.post(page, fields | {"new_secret": "very-secret-value"})
        world.registration.refresh_from_db()
        assert world.registration.client_secret == "very-secret-value"
        assert "very-secret-value" not in administrator.get(page).content.decode()
        assert "very-secret-value" not in str(last_entry().detail)


class TestExports:
    def test_a_destination_is_tried_then_added(self, world, administrator, settings, tmp_path):
        fields = {"name": "Warehouse", "environment": "sandbox", "kind": "folder", "folder": "warehouse"}
        answer = do(administrator, "organizations.organization", "add_destination", world.organization, **fields)
        assert "its first export is queued" in said(administrator, answer)
        assert last_entry().action in ("export_destination.created", "export.queued")

    def test_a_destination_with_a_field_missing_is_not_added(self, world, administrator):
        fields = {"name": "Lake 2", "environment": "sandbox", "kind": "s3", "bucket": "lake"}
        answer = do(administrator, "organizations.organization", "add_destination", world.organization, **fields)
        assert "required" in answer.content.decode()
