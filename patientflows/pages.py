"""The hosted pages (contract 3.1). Each view translates a request into one call and renders one template."""

from functools import wraps

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connect.crypto import token_hash
from patientflows import browsers, confirmation, progress, returning
from patientflows.actions import finish_flow
from patientflows.failures import explain
from patientflows.forms import CodeForm, MissingPortalForm
from patientflows.leaving import CannotLeave, leave_for_portal
from patientflows.links import return_url
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.suggestions import recommended_choices, search_choices
from patientflows.timeline import note
from portals.models import MissingPortal, Source
from portals.smart.authorization import callback_state


class SeeOther(HttpResponseRedirect):
    """303: go on with a GET, whatever the method was (RFC 9110 15.4.4)."""

    status_code = 303


def flow_of(token: str) -> PatientFlow | None:
    flows = PatientFlow.objects.select_related("organization", "patient", "source")
    return flows.filter(token_hash=token_hash(token)).first()


def with_flow(view):
    """Give the view its open flow; a used, run-out or unknown link gets its own page (200, 410, 404)."""

    @wraps(view)
    def found(request, token, **kwargs):
        flow = flow_of(token)
        if flow is None:
            return page(request, None, "unknown", status=404)
        with speaking(request, flow):
            if flow.status == PatientFlow.Status.COMPLETE:
                return page(request, flow, "used", way_back=return_url(flow))
            if flow.status == PatientFlow.Status.EXPIRED:
                return page(request, flow, "expired", status=410, way_back=return_url(flow))
            return view(request, flow, token=token, **kwargs)

    return never_cache(found)


def unless_run_out(view):
    """A link whose time is over cannot be opened again, though who is on the way still finishes."""

    @wraps(view)
    def in_time(request, flow, **kwargs):
        if flow.has_run_out:
            return page(request, flow, "expired", status=410, way_back=return_url(flow))
        return view(request, flow, **kwargs)

    return in_time


def speaking(request, flow: PatientFlow):
    """The flow's language, else the browser's."""
    return translation.override(flow.locale or translation.get_language_from_request(request))


def page(request, flow: PatientFlow | None, name: str, *, status: int = 200, **context) -> HttpResponse:
    """Render `patientflows/<name>.html` with what every page shows."""
    organization = flow.organization if flow else None
    context |= {"flow": flow, "organization": organization, "page": name, "language": translation.get_language()}
    return render(request, f"patientflows/{name}.html", context, status=status)


@require_GET
@with_flow
@unless_run_out
def start(request, flow, token):
    """The link itself: who asks for what (Picker), or straight on to the portal's login (Direct)."""
    if flow.note_opening():
        note(flow, Step.Kind.LINK_OPENED)
    if waiting_attempt(flow):
        return page(request, flow, "code", token=token, form=CodeForm())
    if flow.is_direct:
        return leave(request, flow, flow.source, token)
    return page(request, flow, "start", token=token, recommended=recommended_choices(flow), done=settled(flow))


def waiting_attempt(flow: PatientFlow) -> Attempt | None:
    """The attempt whose six-character code this page waits for."""
    waiting = flow.attempts.filter(status=Attempt.Status.PENDING, stage=Attempt.Stage.CONFIRMING)
    return next((attempt for attempt in waiting.select_related("source") if not attempt.has_run_out), None)


def settled(flow: PatientFlow) -> list[Attempt]:
    return list(flow.attempts.filter(status=Attempt.Status.CONNECTED).select_related("source"))


def leave(request, flow, source, token) -> HttpResponse:
    """One redirect to the portal's login, with the cookie that the way back is believed by."""
    secret = browsers.secret_of(request)
    try:
        url = leave_for_portal(flow=flow, source=source, browser_secret=secret, keep_failure=not flow.is_direct)
    except CannotLeave as refusal:
        if refusal.attempt is not None:
            return SeeOther(f"/c/{token}/outcome/{refusal.attempt.pk}")
        failure = explain(refusal.failure_code, source.name)
        return page(request, flow, "unreachable", status=503, failure=failure, way_back=return_url(flow), token=token)
    response = HttpResponseRedirect(url) if request.method == "GET" else SeeOther(url)
    browsers.remember(response, secret)
    return response


@require_GET
@with_flow
@unless_run_out
def search(request, flow, token):
    """Results for `q` (and an optional ZIP code or place); with `part`, only the list, for the page's script."""
    query, place = request.GET.get("q", "")[:200], request.GET.get("near", "")[:60]
    found = search_choices(flow, query, place)
    if query:
        note_search(flow, found)
    name = "_choices" if "part" in request.GET else "search"
    return page(request, flow, name, token=token, query=query, near=place, choices=found)


def note_search(flow: PatientFlow, found: list) -> None:
    """The first search, and the first that found nothing, are steps; what was typed is not kept."""
    outcome = "found" if found else "nothing_found"
    if not flow.steps.filter(kind=Step.Kind.SEARCHED, outcome=outcome).exists():
        note(flow, Step.Kind.SEARCHED, outcome=outcome)


@require_http_methods(["GET", "POST"])
@with_flow
@unless_run_out
def portal(request, flow, token, source_id):
    """One portal before the patient leaves for it: where they go, what happens there. POST leaves."""
    source = Source.objects.offered(flow.environment).filter(pk=source_id).first()
    if source is None or flow.is_direct:
        return page(request, flow, "gone", status=404, token=token)
    if request.method == "POST":
        return leave(request, flow, source, token)
    return page(request, flow, "portal", token=token, source=source)


@require_GET
@with_flow
def outcome(request, flow, token, attempt_id):
    """What became of one attempt, with a next step."""
    attempt = flow.attempts.select_related("source", "connection").filter(pk=attempt_id).first()
    if attempt is None:
        return page(request, flow, "gone", status=404, token=token)
    if attempt.is_pending:
        if attempt.stage == Attempt.Stage.CONFIRMING:
            return page(request, flow, "code", token=token, form=CodeForm())
        return page(request, flow, "finishing", token=token, attempt=attempt)
    context = {"token": token, "attempt": attempt, "can_connect_more": not flow.has_run_out}
    if attempt.status == Attempt.Status.CONNECTED:
        return page(request, flow, "connected", progress=progress.of_attempt(attempt), **context)
    return page(request, flow, "failed", failure=explain(attempt.failure_code, attempt.source.name), **context)


@require_GET
@with_flow
def outcome_progress(request, flow, token, attempt_id):
    """How many records have come so far, for the page's script."""
    attempt = flow.attempts.select_related("source", "connection").filter(pk=attempt_id).first()
    if attempt is None or attempt.connection is None:
        return JsonResponse({}, status=404)
    return JsonResponse(progress.of_attempt(attempt))


@require_POST
@with_flow
@unless_run_out
def code(request, flow, token):
    """The six characters that the other browser shows."""
    attempt = waiting_attempt(flow)
    if attempt is None:
        return SeeOther(f"/c/{token}")
    form = CodeForm(request.POST)
    if form.is_valid() and confirmation.is_code_of(attempt, form.cleaned_data["code"]):
        returning.confirm(attempt=attempt)
        return after(attempt, token)
    attempt.count_wrong_code()
    if attempt.confirmation_tries >= confirmation.MAX_TRIES:
        returning.fail(attempt, "oauth_callback_failed", hint="six-character code typed wrong five times")
        return after(attempt, token)
    form.add_error("code", translation.gettext("That code does not match. Please look at it again."))
    return page(request, flow, "code", status=400, token=token, form=form)


@require_POST
def done(request, token):
    """Done: complete the flow and go back to the app, the same however often it is pressed."""
    flow = flow_of(token)
    if flow is None:
        return page(request, None, "unknown", status=404)
    if flow.is_open and not flow.is_direct:
        finish_flow(flow=flow)
    if flow.status == PatientFlow.Status.EXPIRED:
        return page(request, flow, "expired", status=410, way_back=return_url(flow))
    return SeeOther(return_url(flow))


@require_http_methods(["GET", "POST"])
@with_flow
@unless_run_out
def missing(request, flow, token):
    """“My portal is not in the list”: kept as demand for the operators."""
    form = MissingPortalForm(request.POST or None, initial={"name": request.GET.get("q", "")[:200]})
    if request.method == "POST" and form.is_valid():
        MissingPortal.objects.create(
            environment=flow.environment, organization=flow.organization, **form.cleaned_data
        )
        return page(request, flow, "missing_thanks", token=token)
    return page(request, flow, "missing", token=token, form=form)


@require_GET
@never_cache
def callback(request, registration_id):
    """`/oauth/callback/{registration}`: the portal sends the patient's browser back here."""
    query_string = request.META.get("QUERY_STRING", "")
    try:
        attempt = returning.find_attempt(registration_id=registration_id, state=callback_state(query_string))
    except returning.UnknownState:
        return page(request, None, "stale", status=400)
    with speaking(request, attempt.flow):
        same_browser = browsers.is_browser(request, attempt.browser_hash)
        attempt = returning.come_back(attempt=attempt, query_string=query_string, same_browser=same_browser)
        return answer(request, attempt, same_browser)


def answer(request, attempt: Attempt, same_browser: bool) -> HttpResponse:
    """Where the callback leads: the app, the outcome page, or the six-character code."""
    flow = attempt.flow
    if attempt.is_pending and attempt.stage == Attempt.Stage.CONFIRMING:
        return page(request, flow, "confirm_elsewhere", code=confirmation.code_of(attempt), attempt=attempt)
    if not same_browser and attempt.status == Attempt.Status.CONNECTED:
        return page(request, flow, "finished_elsewhere", attempt=attempt)
    if flow.status == PatientFlow.Status.EXPIRED:
        return page(request, flow, "expired", status=410, way_back=return_url(flow))
    if attempt.is_pending:
        return page(request, flow, "finishing", attempt=attempt, token=flow.token, again=request.get_full_path())
    return after(attempt, flow.token)


def after(attempt: Attempt, token: str) -> HttpResponse:
    """One redirect: Direct goes back to the app, Picker to a clean URL with the outcome."""
    if attempt.flow.is_direct:
        return SeeOther(return_url(attempt.flow, attempt))
    return SeeOther(f"/c/{token}/outcome/{attempt.pk}")
