"""The hosted pages (contract 3.1). Each view translates a request into one call and renders one template."""

from functools import wraps

import segno
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connect.crypto import token_hash
from connect.errors import Throttled
from connect.throttling import spend
from patientflows import browsers, confirmation, progress, statement
from patientflows.actions import finish_flow
from patientflows.failures import explain
from patientflows.forms import CodeForm, LanguageForm, MissingPortalForm
from patientflows.leaving import CannotLeave, leave_for_portal
from patientflows.links import flow_url, return_url
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.personal_links import live_link_url
from patientflows.rendering import SeeOther, page, restrict, speaking
from patientflows.suggestions import choice_of, grouped, is_too_general, recommended_choices, search_choices
from patientflows.timeline import note
from portals.models import MissingPortal, Source

MISSING_PORTALS_PER_MINUTE = 10


def flow_of(token: str) -> PatientFlow | None:
    flows = PatientFlow.objects.select_related("organization", "patient", "source")
    return flows.filter(token_hash=token_hash(token)).first()


def with_flow(view):
    """Give the view its open flow; a used, run-out or unknown link gets its own page (200, 410, 404)."""

    @wraps(view)
    def found(request, token, **kwargs):
        flow = flow_of(token)
        if flow is None:
            return page(request, "unknown", status=404)
        with speaking(request, flow.locale):
            if flow.status == PatientFlow.Status.COMPLETE:
                return flow_page(request, flow, "used", way_back=return_url(flow))
            if flow.status == PatientFlow.Status.EXPIRED:
                return flow_page(request, flow, "expired", status=410, way_back=return_url(flow))
            return view(request, flow, token=token, **kwargs)

    return never_cache(found)


def unless_run_out(view):
    """A link whose time is over cannot be opened again, though who is on the way still finishes."""

    @wraps(view)
    def in_time(request, flow, **kwargs):
        if flow.has_run_out:
            return flow_page(request, flow, "expired", status=410, way_back=return_url(flow))
        return view(request, flow, **kwargs)

    return in_time


def flow_page(request, flow: PatientFlow, name: str, **context) -> HttpResponse:
    """A page of this flow, in its organisation's look."""
    return page(request, name, flow=flow, organization=flow.organization, environment=flow.environment, **context)


@require_safe
@with_flow
@unless_run_out
def start(request, flow, token):
    """The link itself: who asks for what (Picker), or straight on to the portal's login (Direct)."""
    if is_only_a_look(request):
        return HttpResponse(status=503 if request.method == "GET" else 200)
    if flow.note_opening():
        note(flow, Step.Kind.LINK_OPENED)
    if waiting_attempts(flow) and "again" not in request.GET:
        return code_page(request, flow, token)
    if flow.is_direct:
        return leave(request, flow, flow.source, token)
    return flow_page(
        request, flow, "start", token=token, recommended=recommended_choices(flow), done=settled(flow), leaves=True,
        asks=statement.request_sentence(flow.organization), terms=statement.sharing_sentences(flow.organization),
    )  # fmt: skip


def is_only_a_look(request) -> bool:
    """HEAD requests of mail scanners, and pages fetched before anybody asked for them: they begin nothing."""
    return request.method == "HEAD" or "prefetch" in request.headers.get(
        "Sec-Purpose", request.headers.get("Purpose", "")
    )


def waiting_attempts(flow: PatientFlow) -> list[Attempt]:
    """The attempts whose six-character code this page waits for; more than one when two tabs went to portals."""
    waiting = flow.attempts.filter(status=Attempt.Status.PENDING, stage=Attempt.Stage.CONFIRMING)
    related = waiting.select_related("source", "registration", "flow__patient", "flow__organization")
    return [attempt for attempt in related if not attempt.has_run_out]


def settled(flow: PatientFlow) -> list[Attempt]:
    """What this flow has connected, each source once."""
    connected = flow.attempts.filter(status=Attempt.Status.CONNECTED).select_related("source").order_by("id")
    return list({attempt.connection_id: attempt for attempt in connected}.values())


def leave(request, flow, source, token) -> HttpResponse:
    """One redirect to the portal's login, with the cookie that the way back is believed by."""
    secret = browsers.secret_of(request)
    try:
        url = leave_for_portal(flow=flow, source=source, browser_secret=secret, keep_failure=not flow.is_direct)
    except CannotLeave as refusal:
        if refusal.attempt is not None:
            return SeeOther(f"/c/{token}/outcome/{refusal.attempt.pk}")
        failure = explain(refusal.failure_code, source.name)
        return flow_page(
            request, flow, "unreachable", status=503, failure=failure, way_back=return_url(flow), token=token
        )
    response = HttpResponseRedirect(url) if request.method == "GET" else SeeOther(url)
    browsers.remember(response, secret)
    return response


@require_safe
@with_flow
@unless_run_out
def search(request, flow, token):
    """Results for `q` (and an optional ZIP code or place); with `part`, only the options, for the page's script."""
    if flow.is_direct:
        return SeeOther(f"/c/{token}")
    query, place = request.GET.get("q", "")[:200].strip(), request.GET.get("near", "")[:60].strip()
    found = search_choices(flow, query, place)
    if query:
        note_search(flow, found)
    name = "_options" if "part" in request.GET else "search"
    return flow_page(
        request, flow, name, token=token, query=query, near=place, groups=grouped(found), count=len(found),
        too_general=is_too_general(query),
    )  # fmt: skip


def note_search(flow: PatientFlow, found: list) -> None:
    """The first search, and the first that found nothing, are steps; what was typed is not kept."""
    outcome = "found" if found else "nothing_found"
    if not flow.steps.filter(kind=Step.Kind.SEARCHED, outcome=outcome).exists():
        note(flow, Step.Kind.SEARCHED, outcome=outcome)


@require_http_methods(["GET", "HEAD", "POST"])
@with_flow
@unless_run_out
def portal(request, flow, token, source_id):
    """One portal before the patient leaves for it: where they go, what happens there. POST leaves."""
    source = Source.objects.offered(flow.environment).filter(pk=source_id).first()
    if source is None or flow.is_direct:
        return flow_page(request, flow, "gone", status=404, token=token)
    if request.method == "POST":
        return leave(request, flow, source, token)
    if waiting_attempts(flow) and "again" not in request.GET:
        return code_page(request, flow, token)
    return flow_page(
        request, flow, "portal", token=token, source=source, choice=choice_of(source), leaves=True,
        terms=statement.sharing_sentences(flow.organization),
    )  # fmt: skip


@require_safe
@with_flow
def outcome(request, flow, token, attempt_id):
    """What became of one attempt, with a next step."""
    attempt = flow.attempts.select_related("source", "connection").filter(pk=attempt_id).first()
    if attempt is None:
        return flow_page(request, flow, "gone", status=404, token=token)
    if attempt.is_pending:
        return not_yet(request, flow, attempt, token)
    context = {"token": token, "attempt": attempt, "can_connect_more": not flow.has_run_out, "leaves": True}
    if attempt.status == Attempt.Status.CONNECTED:
        context |= {"progress": progress.of_attempt(attempt), "my_url": live_link_url(flow.patient)}
        return flow_page(request, flow, "connected", **context)
    failure = explain(attempt.failure_code, attempt.source.name)
    return flow_page(request, flow, "failed", failure=failure, done=settled(flow), **context)


def not_yet(request, flow, attempt: Attempt, token: str) -> HttpResponse:
    """An attempt that has not ended: still at the portal, being exchanged, or waiting for its code."""
    match attempt.stage:
        case Attempt.Stage.CONFIRMING:
            return code_page(request, flow, token)
        case Attempt.Stage.EXCHANGING:
            return flow_page(request, flow, "finishing", token=token, attempt=attempt)
    return SeeOther(f"/c/{token}" if flow.is_direct else f"/c/{token}/portal/{attempt.source_id}")


@require_safe
@with_flow
def outcome_progress(request, flow, token, attempt_id):
    """How many records have come so far, for the page's script."""
    attempt = flow.attempts.select_related("source", "connection").filter(pk=attempt_id).first()
    if attempt is None or attempt.connection is None:
        return JsonResponse({}, status=404)
    return JsonResponse(progress.of_attempt(attempt))


@require_http_methods(["GET", "HEAD", "POST"])
@with_flow
def code(request, flow, token):
    """The six characters that the other browser shows."""
    waiting = waiting_attempts(flow)
    if not waiting or request.method != "POST":
        return SeeOther(f"/c/{token}")
    form = CodeForm(request.POST)
    if not form.is_valid():
        return code_page(request, flow, token, form=form, status=400)
    settled_attempt = confirmation.settle(waiting, form.cleaned_data["code"])
    if settled_attempt is not None:
        return after(settled_attempt, token)
    form.add_error("code", translation.gettext("That code does not match. Please look at it again."))
    return code_page(request, flow, token, form=form, status=400)


def code_page(request, flow, token, *, form=None, status=200) -> HttpResponse:
    """Where the six characters are typed."""
    return flow_page(request, flow, "code", token=token, form=form or CodeForm(), status=status, leaves=True)


def after(attempt: Attempt, token: str) -> HttpResponse:
    """One redirect: Direct goes back to the app, Picker to a clean URL with the outcome."""
    if attempt.flow.is_direct:
        return SeeOther(return_url(attempt.flow, attempt))
    return SeeOther(f"/c/{token}/outcome/{attempt.pk}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def done(request, token):
    """Done: complete the flow and go back to the app, the same however often it is pressed."""
    flow = flow_of(token)
    if flow is None:
        return page(request, "unknown", status=404)
    if request.method != "POST":
        return SeeOther(f"/c/{token}")
    if flow.is_open and not flow.is_direct:
        finish_flow(flow=flow)
    if flow.status == PatientFlow.Status.EXPIRED:
        with speaking(request, flow.locale):
            return flow_page(request, flow, "expired", status=410, way_back=return_url(flow))
    return SeeOther(return_url(flow))


@require_http_methods(["GET", "HEAD", "POST"])
@with_flow
@unless_run_out
def missing(request, flow, token):
    """“My portal is not in the list”: kept as demand for the operators."""
    form = MissingPortalForm(request.POST or None, initial={"name": request.GET.get("q", "")[:200]})
    if request.method != "POST" or not form.is_valid():
        return flow_page(request, flow, "missing", token=token, form=form, status=400 if form.errors else 200)
    try:
        spend(f"missing:{flow.pk}", MISSING_PORTALS_PER_MINUTE)
    except Throttled:
        return SeeOther(f"/c/{token}/missing/thanks")
    MissingPortal.objects.create(environment=flow.environment, organization=flow.organization, **form.cleaned_data)
    return SeeOther(f"/c/{token}/missing/thanks")


@require_safe
@with_flow
def missing_thanks(request, flow, token):
    return flow_page(request, flow, "missing_thanks", token=token)


@require_POST
@with_flow
def language(request, flow, token):
    """Go on in the other language, on every device."""
    form = LanguageForm(request.POST)
    if form.is_valid():
        flow.amend(locale=form.cleaned_data["language"])
    return SeeOther(form.next_path(f"/c/{token}"))


@require_safe
@with_flow
@unless_run_out
def qr_code(request, flow, token):
    """The link as a QR code, to go on with on another device."""
    svg = segno.make_qr(flow_url(token)).svg_inline(scale=4, border=4, light="#fff", omitsize=False)
    return restrict(
        HttpResponse(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1), content_type="image/svg+xml")
    )
