"""TrialFinder's pages and its webhook receiver."""

import json
import secrets
from functools import cache, wraps
from pathlib import Path

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connect.example import configuration, progress
from connect.example.api import CallFailed, ConnectApi
from connect.example.store import Store

COOKIE = "trialfinder_visitor"
COOKIE_SECONDS = 30 * 24 * 3600
RETURN_PARAMETERS = ("patient_id", "patient_flow_id", "success", "connection_id", "error", "error_description")


@cache
def store_in(folder: Path) -> Store:
    return Store(folder)


def new_patient_id() -> str:
    """TrialFinder's own id for a person: Connect uses it as it is."""
    return f"volunteer-{secrets.token_hex(4)}"


def with_visitor(view):
    """Give the view the API and who is looking: a browser gets a cookie and a patient id at its first visit."""

    @never_cache
    @wraps(view)
    def known(request, *args, **kwargs):
        try:
            settings = configuration.read()
        except configuration.NotConfigured:
            return render(request, "example/not_configured.html", status=503)
        store = store_in(settings.data_dir)
        token = request.COOKIES.get(COOKIE, "")
        visitor = store.visitor(token) if token else None
        if visitor is None:
            token = secrets.token_urlsafe(24)
            store.add_visitor(token, new_patient_id())
            visitor = store.visitor(token)
        request.api, request.store, request.visitor = ConnectApi(settings, store, token), store, visitor
        response = view(request, *args, **kwargs)
        response.set_cookie(
            COOKIE, token, max_age=COOKIE_SECONDS, path=reverse("example:home"), httponly=True, samesite="Lax",
            secure=request.is_secure(),
        )  # fmt: skip
        return response

    return known


def page(request, *, came_back: dict | None = None, problem: str = "") -> HttpResponse:
    try:
        portals = request.api.get("/connections", type="sandbox", limit=100)["data"]
    except CallFailed as failure:
        portals, problem = [], str(failure)
    context = {
        "portals": sorted(portals, key=lambda portal: (portal["name"] != "Plain portal", portal["name"])),
        "came_back": came_back,
        "live": progress.look(request.api, request.store, request.visitor),
        "action_problem": problem,
    }
    return render(request, "example/home.html", context)


@require_GET
@with_visitor
def home(request):
    """The one page."""
    return page(request)


@require_POST
@with_visitor
def connect(request):
    """Make a flow for this patient and send the browser to its link."""
    body = {
        "patient_id": request.visitor["patient_id"],
        "return_url": request.build_absolute_uri(reverse("example:return")),
        "return_button_label": "TrialFinder",
    }
    if request.POST.get("mode") == "direct":
        body["connection_id"] = request.POST.get("connection_id", "")
    else:
        body["recommended_connection_ids"] = recommended(request.api)
    try:
        flow = request.api.post("/patient-flows", body)
    except CallFailed as failure:
        return page(request, problem=str(failure))
    request.store.remember_flow(request.visitor["visitor"], flow["id"])
    return redirect(flow["url"])


def recommended(api: ConnectApi) -> list[str]:
    """The portal to show first: what an app might know from a referral."""
    found = api.get("/connections", q="Plain portal", type="sandbox", limit=1)["data"]
    return [portal["id"] for portal in found]


@require_GET
@with_visitor
def come_back(request):
    """`return_url`. Its parameters are a hint from a browser: what is true is asked of the API."""
    told = {name: request.GET[name] for name in RETURN_PARAMETERS if name in request.GET}
    if told.get("patient_id") != request.visitor["patient_id"]:
        return page(request, problem="That link belongs to somebody else's browser.")
    try:
        request.api.get(f"/patient-flows/{told.get('patient_flow_id', '')}")
    except CallFailed as failure:
        return page(request, problem=str(failure))
    return page(request, came_back=told)


@require_GET
@with_visitor
def live(request):
    """The part of the page that changes, as HTML; `X-Busy` says whether to come again soon."""
    seen = progress.look(request.api, request.store, request.visitor)
    response = render(request, "example/_live.html", {"live": seen})
    response["X-Busy"] = "1" if seen["pulling"] else "0"
    return response


@require_POST
@with_visitor
def act(request, connection_id, action):
    """Pull a connection's records now, or disconnect it."""
    path = f"/patients/{request.visitor['patient_id']}/connections/{connection_id}"
    try:
        if action == "pull":
            request.api.post(f"{path}/pull")
        else:
            request.api.delete(path)
    except CallFailed as failure:
        return page(request, problem=str(failure))
    return redirect("example:home")


@require_POST
@with_visitor
def start_over(request):
    """Have Connect erase the patient, forget them here too, and begin as somebody new."""
    try:
        if request.visitor["flow_id"]:
            request.api.delete(f"/patients/{request.visitor['patient_id']}")
    except CallFailed as failure:
        return page(request, problem=str(failure))
    request.store.start_over(request.visitor["visitor"], new_patient_id())
    return redirect("example:home")


@csrf_exempt
@require_POST
def webhooks(request):
    """Connect tells us something. Believed only when its Standard Webhooks signature is right; then kept, once."""
    try:
        settings = configuration.read()
        Webhook(settings.webhook_secret).verify(request.body, dict(request.headers))
        event = json.loads(request.body)
    except configuration.NotConfigured:
        return JsonResponse({"error": "not configured"}, status=503)
    except (WebhookVerificationError, ValueError):
        return JsonResponse({"error": "signature not valid"}, status=401)
    store_in(settings.data_dir).add_event(event)
    return JsonResponse({"ok": True})
