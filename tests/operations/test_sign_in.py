"""Signing in: throttled, in two steps for who wants it, and never without a trace."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from connect.audit.models import Entry
from tests.operations.test_actions import do, said
from tests.operations.world import make_staff, signed_in

PASSWORD = "a long enough password"


@pytest.fixture
def user(db):
    return make_staff("viewer", everywhere=True)


def sign_in(client, user, *, password=PASSWORD, code=""):
    return client.post(
        "/admin/login/", {"username": user.username, "password": password, "otp_token": code, "next": "/admin/"}
    )


def actions() -> list[str]:
    return list(Entry.objects.filter(action__startswith="staff.").order_by("pk").values_list("action", flat=True))


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits)
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


class TestTwoSteps:
    @pytest.fixture
    def device(self, user):
        client = signed_in(user)
        client.post("/admin/two-step/", {"do": "begin"})
        return TOTPDevice.objects.get(user=user)

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
        code = StaticToken.objects.filter(device__user=user).first().token
        assert StaticToken.objects.filter(device__user=user).count() == 10
        assert sign_in(client, user, code=code).url == "/admin/"
        client.post("/admin/logout/")
        assert sign_in(client, user, code=code).status_code == 200

    def test_it_is_turned_off_with_a_code_only(self, user, turned_on):
        client = signed_in(user)
        client.post("/admin/two-step/", {"do": "turn_off", "code": "123456"})
        assert TOTPDevice.objects.filter(user=user).exists()
        TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        client.post("/admin/two-step/", {"do": "turn_off", "code": code_of(turned_on, steps=1)})
        assert not TOTPDevice.objects.filter(user=user).exists()

    def test_an_administrator_resets_it_for_who_lost_the_phone(self, user, turned_on, administrator):
        answer = do(administrator, "auth.user", "reset_two_step", user)
        assert "password alone" in said(administrator, answer)
        assert not TOTPDevice.objects.filter(user=user).exists()
        assert "staff.two_step_reset" in actions()
