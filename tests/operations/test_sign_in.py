"""Signing in: throttled, in two steps for who wants it, and never without a trace."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from django_otp.oath import TOTP

from connect.audit.models import Entry
from connect.operations.models import Authenticator, RecoveryCodes
from tests.operations.test_actions import do, said
from tests.operations.world import make_staff, signed_in

PASSWORD = "a long enough password"
DJANGO_OTP_TABLES = (
    "CREATE TABLE otp_totp_totpdevice (user_id int, name text, confirmed boolean, key text, drift int, last_t int)",
    "INSERT INTO otp_totp_totpdevice VALUES ({user}, 'Connect', true, '00000000000000000000000000000000000000ff', 0, -1)",
    "CREATE TABLE otp_static_staticdevice (id int, user_id int)",
    "INSERT INTO otp_static_staticdevice VALUES (1, {user})",
    "CREATE TABLE otp_static_statictoken (device_id int, token text)",
    "INSERT INTO otp_static_statictoken VALUES (1, 'abcd2345')",
)


@pytest.fixture
def user(db):
    return make_staff("viewer", everywhere=True)


def sign_in(client, user, *, password=PASSWORD, code=""):
    return client.post(
        "/admin/login/", {"username": user.username, "password": password, "otp_token": code, "next": "/admin/"}
    )


def actions() -> list[str]:
    return list(Entry.objects.filter(action__startswith="staff.").order_by("pk").values_list("action", flat=True))


def code_of(device: Authenticator, *, steps: int = 0) -> str:
    totp = device.totp
    return f"{TOTP.token(totp) if not steps else _later(totp, steps):06}"


def _later(totp: TOTP, steps: int) -> int:
    totp.time = totp.time + 30 * steps
    return totp.token()


class TestPassword:
    def test_the_right_one_leads_to_the_overview(self, client, user):
        assert sign_in(client, user).url == "/admin/"
        assert actions() == ["staff.signed_in"]
        assert Entry.objects.get(action="staff.signed_in").actor == user.username

    def test_a_wrong_one_is_refused_and_noted(self, client, user):
        assert sign_in(client, user, password="wrong").status_code == 200
        assert actions() == ["staff.sign_in_refused"]

    def test_what_was_typed_as_a_name_is_not_noted_unless_it_is_one(self, client, db):
        client.post("/admin/login/", {"username": "my-secret-password", "password": "x"})
        assert Entry.objects.get().actor == "unknown"

    def test_it_is_throttled_after_ten_failures(self, client, user):
        for _ in range(10):
            sign_in(client, user, password="wrong")
        assert sign_in(client, user).status_code == 429

    def test_an_inactive_member_of_staff_does_not_get_in(self, client, user):
        User.objects.filter(pk=user.pk).update(is_active=False)
        assert sign_in(client, user).status_code == 200

    def test_signing_out_is_noted(self, client, user):
        sign_in(client, user)
        client.post("/admin/logout/")
        assert actions() == ["staff.signed_in", "staff.signed_out"]
        assert client.get("/admin/").status_code == 302

    def test_a_session_ends(self, client, user, settings, time_machine):
        settings.SESSION_COOKIE_AGE = 3600
        sign_in(client, user)
        assert client.get("/admin/two-step/").status_code == 200
        time_machine.move_to(timezone.now() + timedelta(seconds=3601))
        assert client.get("/admin/two-step/").status_code == 302


class TestSession:
    @pytest.fixture
    def at_work(self, client, user, settings):
        settings.SESSION_COOKIE_AGE, settings.ADMIN_IDLE_SECONDS = 8 * 3600, 3600
        sign_in(client, user)
        return client

    def later(self, time_machine, seconds: int) -> None:
        time_machine.move_to(timezone.now() + timedelta(seconds=seconds), tick=False)

    def test_it_ends_a_while_after_the_last_thing_done(self, at_work, time_machine):
        for _ in range(3):
            self.later(time_machine, 3000)
            assert at_work.get("/admin/two-step/").status_code == 200
        self.later(time_machine, 3601)
        assert at_work.get("/admin/two-step/").status_code == 302
        assert actions()[-1] == "staff.session_ended"
        assert Entry.objects.get(action="staff.session_ended").detail == {"reason": "idle"}

    def test_it_ends_at_last_whatever_was_done(self, at_work, time_machine):
        for _ in range(8):
            self.later(time_machine, 3200)
            assert at_work.get("/admin/two-step/").status_code == 200
        self.later(time_machine, 3200)
        assert at_work.get("/admin/two-step/").status_code == 302
        assert Entry.objects.get(action="staff.session_ended").detail == {"reason": "too_old"}

    def test_a_page_that_renews_itself_is_nothing_done(self, at_work, time_machine):
        for _ in range(2):
            self.later(time_machine, 1700)
            assert at_work.get("/admin/overview/").status_code == 200
        self.later(time_machine, 300)
        answer = at_work.get("/admin/overview/", headers={"HX-Request": "true"})
        assert answer.headers["HX-Refresh"] == "true"
        assert not answer.content

    def test_none_ends_for_being_idle_where_that_is_switched_off(self, at_work, time_machine, settings):
        settings.ADMIN_IDLE_SECONDS = 0
        self.later(time_machine, 7 * 3600)
        assert at_work.get("/admin/two-step/").status_code == 200


class TestTwoSteps:
    @pytest.fixture
    def device(self, user):
        client = signed_in(user)
        client.post("/admin/two-step/", {"do": "begin"})
        return Authenticator.objects.get(user=user)

    @pytest.fixture
    def turned_on(self, user, device):
        answer = signed_in(user).post("/admin/two-step/", {"do": "confirm", "code": code_of(device)})
        assert "Two-step sign-in is on." in answer.content.decode()
        device.refresh_from_db()
        return device

    def test_setting_it_up_shows_a_picture_and_the_key(self, user, device):
        page = signed_in(user).get("/admin/two-step/").content.decode()
        assert "data:image/svg+xml" in page
        assert not device.confirmed

    def test_a_wrong_code_does_not_turn_it_on(self, user, device):
        signed_in(user).post("/admin/two-step/", {"do": "confirm", "code": "000000"})
        device.refresh_from_db()
        assert not device.confirmed

    def test_turned_on_the_password_alone_opens_nothing(self, client, user, turned_on):
        refused = sign_in(client, user)
        assert refused.status_code == 200
        assert client.get("/admin/").status_code == 302
        assert "staff.two_step_turned_on" in actions()

    def test_with_the_code_it_does(self, client, user, turned_on):
        assert sign_in(client, user, code=code_of(turned_on, steps=1)).url == "/admin/"

    def test_a_recovery_code_works_once(self, client, user, turned_on):
        code, *others = RecoveryCodes.renew(user)
        assert len(others) == 9
        assert sign_in(client, user, code=code).url == "/admin/"
        client.post("/admin/logout/")
        assert sign_in(client, user, code=code).status_code == 200

    def test_no_secret_of_it_lies_open(self, user, turned_on):
        codes = RecoveryCodes.renew(user)
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM operations_authenticator")
            assert turned_on.secret.encode() not in bytes(cursor.fetchone()[0])
            cursor.execute("SELECT hashes FROM operations_recoverycodes")
            assert codes[0].replace("-", "") not in str(cursor.fetchone())

    def test_what_django_otp_kept_in_clear_is_taken_over(self, client, user):
        with connection.cursor() as cursor:
            for statement in DJANGO_OTP_TABLES:
                cursor.execute(statement.format(user=user.pk))
        migration = import_module("connect.operations.migrations.0005_second_steps_taken_over")
        migration.take_over(apps, SimpleNamespace(connection=connection))
        device = Authenticator.objects.get(user=user)
        assert device.totp.key == bytes.fromhex("00" * 19 + "ff")
        assert sign_in(client, user, code=code_of(device)).url == "/admin/"
        client.post("/admin/logout/")
        assert sign_in(client, user, code="abcd2345").url == "/admin/"
        assert not {"otp_totp_totpdevice", "otp_static_statictoken"} & set(connection.introspection.table_names())

    def test_it_is_turned_off_with_a_code_only(self, user, turned_on):
        client = signed_in(user)
        client.post("/admin/two-step/", {"do": "turn_off", "code": "123456"})
        assert Authenticator.objects.filter(user=user).exists()
        Authenticator.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        client.post("/admin/two-step/", {"do": "turn_off", "code": code_of(turned_on, steps=1)})
        assert not Authenticator.objects.filter(user=user).exists()

    def test_where_staff_must_have_it_nothing_else_opens_before(self, client, user, settings):
        settings.STAFF_TWO_STEP_REQUIRED = True
        sign_in(client, user)
        assert client.get("/admin/pulls/pull/").url == "/admin/two-step/"
        assert "has to be set up" in client.get("/admin/two-step/").content.decode()
        client.post("/admin/two-step/", {"do": "begin"})
        client.post("/admin/two-step/", {"do": "confirm", "code": code_of(Authenticator.objects.get(user=user))})
        assert client.get("/admin/pulls/pull/").status_code == 200

    def test_where_staff_must_have_it_they_do_not_turn_it_off(self, client, user, turned_on, settings):
        settings.STAFF_TWO_STEP_REQUIRED = True
        sign_in(client, user, code=code_of(turned_on, steps=1))
        assert "turn_off" not in client.get("/admin/two-step/").content.decode()
        client.post("/admin/two-step/", {"do": "turn_off", "code": code_of(turned_on, steps=1)})
        assert Authenticator.objects.filter(user=user, confirmed=True).exists()

    def test_an_administrator_resets_it_for_who_lost_the_phone(self, user, turned_on, administrator):
        answer = do(administrator, "auth.user", "reset_two_step", user)
        assert "password alone" in said(administrator, answer)
        assert not Authenticator.objects.filter(user=user).exists()
        assert "staff.two_step_reset" in actions()
