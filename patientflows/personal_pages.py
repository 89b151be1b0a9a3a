"""The patient's own page, `/my/{token}` (contract 8): what is connected, how to stop it, what was agreed to."""

from functools import wraps

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from connect.audit.actions import Actor, record
from connect.errors import Throttled
from connect.throttling import spend
from patientflows import patients, personal_links
from patientflows.forms import LanguageForm
from patientflows.models import PatientLink, Receipt
from patientflows.receipts import signing
from patientflows.receipts.fhir_consent import consent_of
from patientflows.receipts.issuing import document_of
from patientflows.rendering import SeeOther, page, speaking
from pulls import read

NDJSON = "application/fhir+ndjson"
VISITS_PER_MINUTE = 120  # of one address: far more than a person needs, far fewer than guessing would


def with_link(view):
    """Give the view the live link; a wrong one and one that was turned off get the same page (404)."""

    @wraps(view)
    def found(request, token, **kwargs):
        try:
            spend(f"my:{request.META.get('REMOTE_ADDR', '')}", VISITS_PER_MINUTE)
        except Throttled as throttled:
            response = page(request, "slow_down", status=429)
            response["Retry-After"] = throttled.headers["Retry-After"]
            return response
        link = personal_links.find_link(token)
        if link is None:
            return page(request, "unknown", status=404)
        with speaking(request, link.locale):
            return view(request, link, token=token, **kwargs)

    return never_cache(found)


def personal_page(request, link: PatientLink, name: str, **context) -> HttpResponse:
    return page(request, name, organization=link.patient.organization, link=link, **context)


def patient_actor(request) -> Actor:
    return Actor("patient", "", request.META.get("REMOTE_ADDR"))


@require_safe
@with_link
def overview(request, link, token):
    """Every connection with its state, and what can be done."""
    link.opened()
    connections = link.patient.connections.select_related("source").order_by("-id")
    receipts = {receipt.connection_id: receipt for receipt in link.patient.receipts.defer("signed").order_by("id")}
    rows = [(connection, receipts.get(connection.pk)) for connection in connections]
    return personal_page(request, link, "my", token=token, rows=rows, notice=request.GET.get("sent"))


@require_http_methods(["GET", "HEAD", "POST"])
@with_link
def disconnect(request, link, token, conn_id):
    """Ask once, then stop: tokens forgotten, revoked at the portal, no more pulls. Twice is the same as once."""
    connection = link.patient.connections.select_related("source", "registration").filter(pk=conn_id).first()
    if connection is None:
        return personal_page(request, link, "my_gone", token=token, status=404)
    if request.method == "POST":
        patients.disconnect(connection=connection, by=patient_actor(request))
        return SeeOther(f"/my/{token}")
    return personal_page(request, link, "my_disconnect", token=token, connection=connection)


@require_safe
@with_link
def receipt(request, link, token, receipt_id):
    """What was agreed to, to read and to print."""
    found = receipt_of(link, receipt_id)
    if found is None:
        return personal_page(request, link, "my_gone", token=token, status=404)
    document = document_of(found)
    return personal_page(request, link, "my_receipt", token=token, receipt=found, claims=document["receipt"])


@require_GET
@with_link
def receipt_file(request, link, token, receipt_id, form):
    """The signed receipt as a file: `receipt.json`, or the same as a FHIR Consent."""
    found = receipt_of(link, receipt_id)
    if found is None:
        return personal_page(request, link, "my_gone", token=token, status=404)
    document, name, media_type = document_of(found), "receipt.json", "application/json"
    if form == "consent":
        document = consent_of(document, active=found.connection.is_active)
        name, media_type = "consent.fhir.json", "application/fhir+json"
    response = JsonResponse(document, json_dumps_params={"ensure_ascii": False, "indent": 1}, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def receipt_of(link: PatientLink, receipt_id: str) -> Receipt | None:
    return link.patient.receipts.select_related("connection__source").filter(pk=receipt_id).first()


@require_GET
@with_link
def download(request, link, token):
    """Everything we have of the patient, as NDJSON in one file: streamed, whatever its size."""
    patient = link.patient
    record(
        action="records.downloaded", by=patient_actor(request), organization_id=patient.organization_id,
        environment=patient.environment, object_type="patient", object_id=patient.pk,
    )  # fmt: skip
    response = StreamingHttpResponse(read.stream(patient, read.Selection()), content_type=NDJSON)
    response["Content-Disposition"] = 'attachment; filename="my-health-records.ndjson"'
    return response


@require_POST
@with_link
def email(request, link, token):
    """Send the link to the address that the organisation knows."""
    try:
        personal_links.email_link(link=link)
    except personal_links.NotSent:
        return SeeOther(f"/my/{token}?sent=no")
    return SeeOther(f"/my/{token}?sent=yes")


@require_http_methods(["GET", "HEAD", "POST"])
@with_link
def turn_off(request, link, token):
    """Ask once, then let this link open nothing any more."""
    if request.method == "POST":
        personal_links.turn_off_link(link=link)
        return personal_page(request, link, "my_off")
    return personal_page(request, link, "my_turn_off", token=token)


@require_POST
@with_link
def language(request, link, token):
    """Go on in the other language."""
    form = LanguageForm(request.POST)
    if form.is_valid():
        link.speak(form.cleaned_data["language"])
    return SeeOther(form.next_path(f"/my/{token}"))


@require_GET
def receipt_keys(request):
    """`/.well-known/consent-receipt-keys.json`: the public keys that receipts are checked with (RFC 7517)."""
    response = JsonResponse(signing.published_keys(), content_type="application/jwk-set+json")
    response["Cache-Control"] = "public, max-age=3600"
    return response
