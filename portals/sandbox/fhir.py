"""The FHIR R4 server: read, search, `$everything`, Binary, CapabilityStatement; errors as OperationOutcome."""

import base64
import re
from urllib.parse import parse_qsl

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from portals.sandbox import discovery, faults, holdings, writes
from portals.sandbox.access import Access, authorise
from portals.sandbox.addresses import Site
from portals.sandbox.holdings import Resource
from portals.sandbox.outcomes import FHIR_JSON, Refusal
from portals.sandbox.searches import everything, search
from portals.sandbox.variants import Variant

TYPE = re.compile(r"[A-Z][A-Za-z]+")
OPEN = {"Access-Control-Allow-Origin": "*"}


class _Binary(msgspec.Struct):
    contentType: str = "application/octet-stream"
    data: str = ""


@csrf_exempt
def fhir(request: HttpRequest, variant: Variant, path: str = "") -> HttpResponse:
    """Everything under a FHIR base."""
    faults.delay(variant)
    try:
        if variant.writable:
            return writes.answer(request, Site.of(request, variant), path)
        return _answer(request, Site.of(request, variant), path)
    except Refusal as refusal:
        return refusal.response()


def _answer(request: HttpRequest, site: Site, path: str) -> HttpResponse:
    seconds = faults.seconds_down(site.variant)
    if seconds:
        return faults.down_page(seconds)
    public = _public(site, path)
    if public is not None:
        return public
    access = authorise(request, site.variant, holdings.current())
    seconds = faults.seconds_down(site.variant, access.grant)
    if seconds:
        return faults.down_page(seconds)
    faults.count_request(site.variant, access.grant)
    return _of_records(request, site, access, path.split("/"))


def _public(site: Site, path: str) -> HttpResponse | None:
    """Discovery, which needs no token."""
    if path == "metadata":
        return JsonResponse(discovery.capability_statement(site, holdings.current()), content_type=FHIR_JSON)
    if site.variant.legacy:
        return None if not path.startswith(".well-known/") else _nothing_there()
    if path == ".well-known/smart-configuration":
        return JsonResponse(discovery.smart_configuration(site), headers=OPEN)
    if path == ".well-known/openid-configuration":
        return JsonResponse(discovery.openid_configuration(site), headers=OPEN)
    return None


def _nothing_there() -> HttpResponse:
    return HttpResponse("<html><body><h1>404 Not Found</h1></body></html>", status=404)


def _of_records(request: HttpRequest, site: Site, access: Access, parts: list[str]) -> HttpResponse:
    if not TYPE.fullmatch(parts[0]):
        raise Refusal(404, "not-found", "There is nothing at this address.")
    is_search = len(parts) == 2 and parts[1] == "_search"
    if request.method != "GET" and not (request.method == "POST" and is_search):
        raise Refusal(405, "not-supported", "This portal only reads.", {"Allow": "GET"})
    pairs = parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True)
    if len(parts) == 1:
        return _json(search(site, access, parts[0], pairs))
    if is_search:
        return _json(search(site, access, parts[0], pairs + list(request.POST.items())))
    if len(parts) == 3 and (parts[0], parts[2]) == ("Patient", "$everything"):
        return _json(everything(site, access, parts[1], pairs))
    if len(parts) == 2:
        return _read(request, access, *parts)
    raise Refusal(404, "not-found", "There is nothing at this address.")


def _read(request: HttpRequest, access: Access, type_: str, resource_id: str) -> HttpResponse:
    allowed = access.need(type_, "r")
    found = access.find(type_, resource_id)
    if not found or (type_ != "Binary" and not allowed.accepts(found)):
        raise Refusal(404, "not-found", f"{type_}/{resource_id} is not here.")
    if type_ == "Binary":
        faults.break_document(access.variant, access.of_type("Binary").index(found))
        if "json" not in request.headers.get("Accept", ""):
            return _native(found)
    return _json(found.body, found)


def _native(found: Resource) -> HttpResponse:
    """A Binary as the file it holds (R4 binary.html#rest)."""
    held = msgspec.json.decode(found.body, type=_Binary)
    return HttpResponse(base64.b64decode(held.data), content_type=held.contentType)


def _json(body: bytes, found: Resource | None = None) -> HttpResponse:
    headers = {"ETag": f'W/"{found.version}"', "Cache-Control": "no-store"} if found else {"Cache-Control": "no-store"}
    return HttpResponse(body, content_type=FHIR_JSON, headers=headers)
