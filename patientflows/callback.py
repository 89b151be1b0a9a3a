"""`/oauth/callback/{registration}`: the portal sends the patient's browser back here (contract 3.1, section 7)."""

from django.http import HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from patientflows import browsers, confirmation, returning
from patientflows.failures import explain
from patientflows.links import return_url
from patientflows.models import Attempt, PatientFlow
from patientflows.pages import after, flow_page
from patientflows.rendering import page, speaking
from portals.smart.authorization import callback_state


@never_cache
@require_safe
def callback(request, registration_id):
    """Settle the attempt that this `state` belongs to; an unknown one exchanges nothing."""
    if request.method == "HEAD":
        return HttpResponse()
    query_string = request.META.get("QUERY_STRING", "")
    try:
        attempt = returning.find_attempt(registration_id=registration_id, state=callback_state(query_string))
    except returning.UnknownState:
        return page(request, "stale", status=400)
    with speaking(request, attempt.flow.locale):
        same_browser = browsers.is_browser(request, attempt.browser_hash)
        attempt = returning.come_back(attempt=attempt, query_string=query_string, same_browser=same_browser)
        return answer(request, attempt, same_browser)


def answer(request, attempt: Attempt, same_browser: bool) -> HttpResponse:
    """Where the callback leads: the app, the outcome page, or the six-character code."""
    flow = attempt.flow
    if attempt.is_pending and attempt.stage == Attempt.Stage.CONFIRMING:
        code = confirmation.code_of(attempt)
        return flow_page(request, flow, "confirm_elsewhere", code=code, attempt=attempt)
    if attempt.is_pending:
        return flow_page(request, flow, "finishing", attempt=attempt)
    if not same_browser and not flow.is_direct:
        return outcome_elsewhere(request, attempt)
    if not same_browser and attempt.status == Attempt.Status.CONNECTED:
        return outcome_elsewhere(request, attempt)
    if flow.status == PatientFlow.Status.EXPIRED:
        return flow_page(request, flow, "expired", status=410, way_back=return_url(flow))
    return after(attempt, flow.token)


def outcome_elsewhere(request, attempt: Attempt) -> HttpResponse:
    """What became of it, in a browser that did not begin it: without the link, which is not this browser's to have."""
    failure = None
    if attempt.status != Attempt.Status.CONNECTED:
        failure = explain(attempt.failure_code, attempt.source.name)
    return flow_page(request, attempt.flow, "finished_elsewhere", attempt=attempt, failure=failure)
