"""For integrators and tests: which portals there are, who is in them, and everything one holds of a patient."""

from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from portals.sandbox import accounts, holdings
from portals.sandbox.access import of_type
from portals.sandbox.addresses import Site
from portals.sandbox.elements import SHARED_TYPES
from portals.sandbox.holdings import Holdings
from portals.sandbox.models import Outage
from portals.sandbox.variants import VARIANTS, Variant


@require_GET
def portals(request: HttpRequest) -> HttpResponse:
    """Every pretend portal, its address and what happens there."""
    held = holdings.current()
    context = {
        "sites": [Site.of(request, variant) for variant in VARIANTS.values()],
        "usernames": accounts.usernames(held)[:2],
        "password": accounts.PASSWORD,
        "patients": [accounts.person(resource) for resource in held.patients],
        "outage_left": Outage.seconds_left("outage"),
    }
    return render(request, "sandbox/portals.html", context)


@require_GET
def variants_json(request: HttpRequest) -> HttpResponse:
    """The same list for programs: the fields of the table, and the FHIR base of each."""
    listed = [variant.public() | {"fhir_base_url": Site.of(request, variant).fhir} for variant in VARIANTS.values()]
    return JsonResponse({"variants": listed})


@require_GET
def accounts_json(request: HttpRequest) -> HttpResponse:
    """Who can log in, with which password, and whose records each can share."""
    held = holdings.current()
    listed = [
        {
            "username": username,
            "password": accounts.PASSWORD,
            "patients": [{"id": each.id, "name": each.name} for each in accounts.people(held, username)],
        }
        for username in accounts.usernames(held)
    ]
    return JsonResponse({"accounts": listed})


@csrf_exempt
@require_POST
def outage(request: HttpRequest, variant: Variant) -> HttpResponse:
    """Take the portal down, for everybody, from now."""
    if variant.outage_after is None:
        return JsonResponse({"error": "This portal has no outages."}, status=404)
    Outage.start(variant.slug, seconds=variant.outage_seconds)
    if "json" in request.headers.get("Accept", ""):
        return JsonResponse({"down_seconds": variant.outage_seconds})
    return redirect("sandbox:portals")


@require_GET
def patient_holdings(request: HttpRequest, variant: Variant, patient: str) -> StreamingHttpResponse:
    """To compare with what an app received: one resource a line, the very bytes a read answers.

    First the compartment, then the shared resources it leads to; `?referenced=false` leaves the latter out. Needs
    no token: every patient here is made up.
    """
    held = holdings.current()
    if not held.get("Patient", patient):
        raise Http404(f"No patient {patient}")
    referenced = request.GET.get("referenced") != "false"
    return StreamingHttpResponse(_lines(held, variant, patient, referenced), content_type="application/fhir+ndjson")


def _lines(held: Holdings, variant: Variant, patient: str, referenced: bool) -> Iterator[bytes]:
    leads = []
    for type_ in held.types:
        for resource in () if type_ in SHARED_TYPES else of_type(held, variant, patient, type_):
            if resource.refers_to:
                leads.append(resource)
            yield resource.body + b"\n"
    for resource in held.referenced(leads) if referenced else ():
        yield resource.body + b"\n"
