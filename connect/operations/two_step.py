"""A member of staff's own two-step sign-in: set up with an authenticator app, ten recovery codes, turned off by a code."""

import segno
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import devices_for_user, match_token
from django_otp import login as remember_device

from connect.audit.actions import record
from connect.operations.actors import staff_actor
from connect.operations.models import Authenticator, RecoveryCodes

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
    devices = {device.confirmed: device for device in Authenticator.objects.filter(user=request.user)}
    context = {**site.each_context(request), "title": "Two-step sign-in", "is_on": True in devices,
               "is_required": settings.STAFF_TWO_STEP_REQUIRED, **more}  # fmt: skip
    waiting = devices.get(False)
    if waiting and not context["is_on"]:
        context |= {
            "picture": segno.make(waiting.address).svg_data_uri(scale=4, light="#fff"),
            "key": " ".join(waiting.secret[i : i + 4] for i in range(0, len(waiting.secret), 4)),
        }
    return render(request, "operations/two_step.html", context)


def _begin(request) -> None:
    if not Authenticator.objects.filter(user=request.user, confirmed=True).exists():
        Authenticator.begin(request.user)


def _confirm(request) -> dict | None:
    """The first right code turns it on; the recovery codes are shown this once."""
    device = Authenticator.objects.filter(user=request.user, confirmed=False).first()
    if device is None or not device.verify_token(request.POST.get("code", "").replace(" ", "")):
        messages.error(request, WRONG_CODE)
        return None
    with transaction.atomic():
        device.confirm()
        codes = RecoveryCodes.renew(request.user)
        record(
            action="staff.two_step_turned_on",
            by=staff_actor(request),
            object_type="user",
            object_id=str(request.user.pk),
        )
    remember_device(request, device)
    return {"codes": codes}


def _turn_off(request) -> None:
    if settings.STAFF_TWO_STEP_REQUIRED:
        messages.error(request, "Here everybody signs in with two steps.")
        return
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
