"""For tests: everything a portal holds of a patient, as one NDJSON stream, to compare with what an app received."""

from collections.abc import Iterator

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_GET

from portals.sandbox import holdings
from portals.sandbox.access import of_type
from portals.sandbox.elements import SHARED_TYPES
from portals.sandbox.holdings import Holdings
from portals.sandbox.variants import Variant


@require_GET
def patient_holdings(request: HttpRequest, variant: Variant, patient: str) -> StreamingHttpResponse:
    """One resource a line, the very bytes a read answers: the compartment, then the shared resources it leads to.

    `?referenced=false` leaves the latter out. Needs no token: every patient here is made up.
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
