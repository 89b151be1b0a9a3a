"""The FHIR server variant: takes create, update, transaction and batch over HTTP, and gives back what it stored."""

from urllib.parse import parse_qsl

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

from portals.sandbox import bundles, storing
from portals.sandbox.addresses import Site
from portals.sandbox.holdings import Resource
from portals.sandbox.models import StoredResource
from portals.sandbox.outcomes import FHIR_JSON, Refusal, outcome
from portals.sandbox.paging import read_page
from portals.sandbox.storing import Write

TOKEN = "sandbox-export-token"
MAX_BODY_BYTES = 64 * 1024 * 1024
REASONS = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}


class _Request(msgspec.Struct):
    method: str
    url: str
    ifNoneExist: str = ""
    ifMatch: str = ""


class _Entry(msgspec.Struct):
    request: _Request
    fullUrl: str = ""
    resource: msgspec.Raw = msgspec.Raw()


class _Bundle(msgspec.Struct):
    type: str = ""
    entry: list[_Entry] = []


def answer(request: HttpRequest, site: Site, path: str) -> HttpResponse:
    """Everything under the writable server's base. Raises Refusal."""
    if path == "metadata":
        return JsonResponse(_statement(site), content_type=FHIR_JSON)
    if request.headers.get("Authorization", "") != f"Bearer {TOKEN}":
        raise Refusal(401, "login", "The bearer token is wrong.", {"WWW-Authenticate": 'Bearer realm="sandbox"'})
    if request.method in {"GET", "HEAD"}:
        return _read(site, path) if "/" in path else _search(request, site, path)
    if not path and request.method == "DELETE":
        StoredResource.objects.all().delete()
        return HttpResponse(status=204)
    body = _body(request)
    if not path and request.method == "POST":
        return _bundle(site, body)
    query = request.META.get("QUERY_STRING", "")
    return _written(
        site,
        Write(
            method=request.method or "",
            url=f"{path}?{query}" if query else path,
            body=body,
            if_none_exist=request.headers.get("If-None-Exist", ""),
            if_match=request.headers.get("If-Match", ""),
        ),
    )


def _body(request: HttpRequest) -> bytes:
    """The body, past Django's own limit, which is meant for forms."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
        raise Refusal(413, "too-long", f"At most {MAX_BODY_BYTES} bytes.")
    return request.read()


def _written(site: Site, write: Write) -> HttpResponse:
    stored, status = storing.apply(write)
    headers = {"Location": f"{site.fhir}/{stored.reference}/_history/{stored.version}", "ETag": storing.etag(stored)}
    return HttpResponse(stored.body, status=status, content_type=FHIR_JSON, headers=headers)


def _bundle(site: Site, body: bytes) -> HttpResponse:
    try:
        bundle = msgspec.json.decode(body, type=_Bundle)
    except msgspec.MsgspecError as error:
        raise Refusal(400, "structure", f"Not a bundle: {error}.") from None
    if bundle.type not in {"transaction", "batch"}:
        raise Refusal(400, "invalid", "The bundle's type must be transaction or batch.")
    entries = _transaction(bundle) if bundle.type == "transaction" else [_alone(each) for each in bundle.entry]
    body = msgspec.json.encode({"resourceType": "Bundle", "type": f"{bundle.type}-response", "entry": entries})
    return HttpResponse(body, content_type=FHIR_JSON)


@transaction.atomic
def _transaction(bundle: _Bundle) -> list[dict]:
    """All entries or none (R4 http.html#transaction)."""
    writes = [_write_of(entry) for entry in bundle.entry]
    places = [storing.place(write) for write in writes]
    known = {entry.fullUrl: place for entry, place in zip(bundle.entry, places, strict=True) if entry.fullUrl}
    return [_said(*storing.apply(write, place, known)) for write, place in zip(writes, places, strict=True)]


def _alone(entry: _Entry) -> dict:
    try:
        return _said(*storing.apply(_write_of(entry)))
    except Refusal as refusal:
        said = outcome("error", refusal.code, refusal.text)
        return {"response": {"status": str(refusal.status), "outcome": said}}


def _write_of(entry: _Entry) -> Write:
    asked = entry.request
    body = bytes(entry.resource)
    return Write(method=asked.method, url=asked.url, body=body, if_none_exist=asked.ifNoneExist, if_match=asked.ifMatch)


def _said(stored: StoredResource, status: int) -> dict:
    updated = stored.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    location = f"{stored.reference}/_history/{stored.version}"
    answered = {"status": REASONS[status], "location": location, "etag": storing.etag(stored), "lastModified": updated}
    return {"response": answered}


def _read(site: Site, path: str) -> HttpResponse:
    type_, _, resource_id = path.partition("/")
    stored = StoredResource.objects.filter(type=type_, resource_id=resource_id).first()
    if not stored:
        raise Refusal(404, "not-found", f"{path} is not here.")
    return HttpResponse(stored.body, content_type=FHIR_JSON, headers={"ETag": storing.etag(stored)})


def _search(request: HttpRequest, site: Site, type_: str) -> HttpResponse:
    page = read_page(parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True))
    rows = storing.matching(type_, list(page.pairs))
    total, path = rows.count(), f"{site.fhir}/{type_}"
    entries = [
        bundles.entry(
            site.fhir, Resource(each.type, each.resource_id, each.body.encode(), str(each.version), ""), "match"
        )
        for each in rows[page.offset : page.offset + page.count]
    ]
    links = [("self", bundles.self_link(path, page))]
    if page.count and page.offset + page.count < total:
        links.append(("next", page.at(page.offset + page.count).address(path)))
    body = bundles.searchset(total=total, links=links, entries=entries)
    return HttpResponse(body, content_type=FHIR_JSON)


def _statement(site: Site) -> dict:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "Connect sandbox FHIR server"},
        "implementation": {"description": site.variant.name, "url": site.fhir},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{"mode": "server", "interaction": [{"code": "transaction"}, {"code": "batch"}]}],
    }
