"""A member of staff's own two-step sign-in: set up with an authenticator app, ten recovery codes, turned off by a code."""

import segno
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import devices_for_user, match_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from connect.audit.actions import record
from connect.operations.actors import staff_actor

ISSUER = "Connect"
RECOVERY_CODES = 10
WRONG_CODE = "That code is not right. Enter the six digits your authenticator app shows now."


@never_cache
@sensitive_post_parameters("code")
def two_step(request, site):
    """The page; mounted by the admin site, so that only signed-in staff get here."""
    verb = VERBS.get(request.POST.get("do", "")) if request.method == "POST" else None
    if verb:
        answer = verb(request)
        if answer is not None:
            return _page(request, site, **answer)
        return HttpResponseRedirect(reverse("admin:two_step"))
    return _page(request, site)


def _page(request, site, **more):
    devices = {device.confirmed: device for device in TOTPDevice.objects.filter(user=request.user)}
    context = {**site.each_context(request), "title": "Two-step sign-in", "is_on": True in devices, **more}
    waiting = devices.get(False)
    if waiting and not context["is_on"]:
        context |= {
            "picture": segno.make(waiting.config_url).svg_data_uri(scale=4, light="#fff"),
            "key": _grouped(waiting),
        }
    return render(request, "operations/two_step.html", context)


def _grouped(device: TOTPDevice) -> str:
    """The key as authenticator apps take it by hand: base32 in groups of four."""
    secret = device.config_url.split("secret=")[1].split("&")[0]
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))


@transaction.atomic
def _begin(request) -> None:
    if not TOTPDevice.objects.filter(user=request.user, confirmed=True).exists():
        TOTPDevice.objects.filter(user=request.user).delete()
        TOTPDevice.objects.create(user=request.user, name=ISSUER, confirmed=False)


def _confirm(request) -> dict | None:
    """The first right code turns it on; the recovery codes are shown this once."""
    device = TOTPDevice.objects.filter(user=request.user, confirmed=False).first()
    if device is None or not device.verify_token(request.POST.get("code", "").replace(" ", "")):
        messages.error(request, WRONG_CODE)
        return None
    with transaction.atomic():
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        codes = _new_recovery_codes(request.user)
        record(
            action="staff.two_step_turned_on",
            by=staff_actor(request),
            object_type="user",
            object_id=str(request.user.pk),
        )
    return {"codes": codes}


def _new_recovery_codes(user) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def _turn_off(request) -> None:
    if match_token(request.user, request.POST.get("code", "").replace(" ", "")) is None:
        messages.error(request, WRONG_CODE)
        return
    with transaction.atomic():
        for device in devices_for_user(request.user, confirmed=None):
            device.delete()
        record(
            action="staff.two_step_turned_off",
            by=staff_actor(request),
            object_type="user",
            object_id=str(request.user.pk),
        )
    messages.success(request, "Two-step sign-in is off.")


VERBS = {"begin": _begin, "confirm": _confirm, "turn_off": _turn_off}
