"""What a patient sees: login, consent, and the apps they have allowed."""

from functools import wraps

from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from portals.sandbox import accounts, authorize, clients, faults, holdings, scopes
from portals.sandbox.addresses import Site
from portals.sandbox.models import Authorization, Grant
from portals.sandbox.variants import Variant

MANAGE_SALT = "sandbox.manage"
MANAGE_SECONDS = 600


def page(view):
    """A page of a portal. Forms need no CSRF token: what each may do hangs on an unguessable handle in its address."""

    @csrf_exempt
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, variant: Variant, **kwargs) -> HttpResponse:
        seconds = faults.seconds_down(variant)
        return faults.down_page(seconds) if seconds else view(request, Site.of(request, variant), **kwargs)

    return answer


@require_http_methods(["GET", "POST"])
@page
def authorize_page(request: HttpRequest, site: Site) -> HttpResponse:
    """The authorisation endpoint: checks the request, and goes on to the login."""
    try:
        visit = authorize.begin(site=site, asked=request.POST if request.method == "POST" else request.GET)
    except authorize.Refused as refused:
        return render(request, "sandbox/refused.html", {"site": site, "reason": str(refused)}, status=400)
    except authorize.SentBack as sent:
        return _leave(sent.url)
    return redirect("sandbox:login", variant=site.variant, handle=visit.handle)


@require_http_methods(["GET", "POST"])
@page
def login(request: HttpRequest, site: Site, handle: str) -> HttpResponse:
    visit = _visit(site, handle)
    username = request.POST.get("username", "").strip()
    known = accounts.sign_in(holdings.current(), username, request.POST.get("password", ""))
    if request.method == "POST" and known and visit.sign_in(username):
        return redirect("sandbox:consent", variant=site.variant, handle=handle)
    if not _is_open(visit):
        return _over(request, site)
    context = {"site": site, "app": clients.find(visit.client_id), "wrong": request.method == "POST", "visit": visit}
    return render(request, "sandbox/login.html", context | {"username": username})


@require_http_methods(["GET", "POST"])
@page
def consent(request: HttpRequest, site: Site, handle: str) -> HttpResponse:
    """The question, and its answer: the patient, the scopes left ticked, allow or deny."""
    visit = _visit(site, handle)
    if not _is_open(visit):
        return _over(request, site)
    if visit.status == Authorization.Status.REQUESTED:
        return redirect("sandbox:login", variant=site.variant, handle=handle)
    held = holdings.current()
    people = accounts.people(held, visit.username)
    if request.method == "POST":
        url = _decide(request, site, visit, {each.id for each in people}, held.types)
        return _leave(url) if url else _over(request, site)
    context = {"site": site, "app": clients.find(visit.client_id), "people": people}
    return render(request, "sandbox/consent.html", context | _choices(visit, held.types))


@require_http_methods(["GET", "POST"])
@page
def manage(request: HttpRequest, site: Site) -> HttpResponse:
    """The management endpoint: a patient signs in, sees which apps have access, and ends it."""
    username = _signed_in(request)
    if not username:
        wrong = request.method == "POST"
        return render(request, "sandbox/login.html", {"site": site, "app": None, "wrong": wrong, "username": ""})
    mine = Grant.objects.filter(variant=site.variant.slug, username=username, revoked_at=None).order_by("-created_at")
    for grant in mine.filter(pk=request.POST.get("end") or None):
        grant.revoke()
    listed = [{"grant": grant, "app": clients.find(grant.client_id)} for grant in mine.all()]
    proof = signing.dumps(username, salt=MANAGE_SALT)
    return render(request, "sandbox/manage.html", {"site": site, "grants": listed, "proof": proof})


def _leave(url: str) -> HttpResponse:
    """A redirect to the app, whatever the address's scheme and whichever words it has."""
    return HttpResponseRedirect(url)


def _visit(site: Site, handle: str) -> Authorization:
    return get_object_or_404(Authorization, handle=handle, variant=site.variant.slug)


def _is_open(visit: Authorization) -> bool:
    unanswered = visit.status in {Authorization.Status.REQUESTED, Authorization.Status.SIGNED_IN}
    return unanswered and visit.expires_at > timezone.now()


def _over(request: HttpRequest, site: Site) -> HttpResponse:
    reason = "This request was answered already, or waited too long. Go back to the app and start again."
    return render(request, "sandbox/refused.html", {"site": site, "reason": reason}, status=410)


def _choices(visit: Authorization, types: tuple[str, ...]) -> dict:
    """The scopes as the page shows them: those that must be, and those that can be unticked."""
    listed = scopes.expanded(visit.scope.split(), types)
    optional = [scope for scope in listed if scope not in scopes.REQUIRED]
    lasting = [scope for scope in optional if scope in scopes.CONTEXT]
    said = [{"scope": scope, "words": scopes.words(scope)} for scope in optional if scope not in scopes.CONTEXT]
    return {
        "always": list(dict.fromkeys(scopes.words(scope) for scope in listed if scope in scopes.REQUIRED)),
        "records": sorted(said, key=lambda each: each["words"]),
        "lasting": [{"scope": scope, "words": scopes.words(scope)} for scope in lasting],
    }


def _decide(
    request: HttpRequest, site: Site, visit: Authorization, people: set[str], types: tuple[str, ...]
) -> str | None:
    patient = request.POST.get("patient", "")
    allowed = request.POST.get("decision") == "allow" and patient in people
    if not allowed or site.variant.patient_denies:
        return authorize.deny(site=site, visit=visit)
    kept = scopes.chosen(visit.scope.split(), types, set(request.POST.getlist("scope")))
    return authorize.allow(site=site, visit=visit, patient=patient, scope=" ".join(kept))


def _signed_in(request: HttpRequest) -> str:
    """The user a management request comes from: by password, or by what the page gave them ten minutes ago or less."""
    username = request.POST.get("username", "").strip()
    if username and accounts.sign_in(holdings.current(), username, request.POST.get("password", "")):
        return username
    try:
        return signing.loads(request.POST.get("proof", ""), salt=MANAGE_SALT, max_age=MANAGE_SECONDS)
    except signing.BadSignature:
        return ""
