"""The FHIR server variant: takes create, update, transaction and batch, and gives back what it stored.

Conditional creates and updates go by `identifier` or `_id` (R4 http.html#cond-update). A body is kept as its own text,
with `id`, `meta.versionId` and `meta.lastUpdated` set; in a transaction references to `urn:uuid:` entries are resolved.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from portals.sandbox import bundles, elements
from portals.sandbox.addresses import Site
from portals.sandbox.holdings import Resource
from portals.sandbox.models import StoredResource, new_secret
from portals.sandbox.outcomes import FHIR_JSON, Refusal, outcome
from portals.sandbox.paging import read_page

TOKEN = "sandbox-export-token"
MAX_BODY_BYTES = 64 * 1024 * 1024
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
REASONS = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}
_REFERENCE = re.compile(rb'"reference":\s*"(urn:uuid:[^"]+)"')


class _Request(msgspec.Struct):
    method: str
    url: str
    ifNoneExist: str = ""
    ifMatch: str = ""


class _Entry(msgspec.Struct):
    request: _Request
    fullUrl: str = ""
    resource: msgspec.Raw | None = None


class _Bundle(msgspec.Struct):
    type: str = ""
    entry: list[_Entry] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One request, alone or an entry of a bundle. `url` is relative to the base."""

    method: str
    url: str
    body: bytes
    if_none_exist: str = ""
    if_match: str = ""

    @property
    def type(self) -> str:
        return re.split(r"[/?]", self.url)[0]

    @property
    def id(self) -> str:
        return urlsplit(self.url).path.partition("/")[2]

    @property
    def condition(self) -> str:
        return urlsplit(self.url).query


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
    stored, status = _apply(write)
    headers = {"Location": f"{site.fhir}/{stored.reference}/_history/{stored.version}", "ETag": _etag(stored)}
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
    places = [_place(write) for write in writes]
    known = {entry.fullUrl: place for entry, place in zip(bundle.entry, places, strict=True) if entry.fullUrl}
    return [_said(*_apply(write, place, known)) for write, place in zip(writes, places, strict=True)]


def _alone(entry: _Entry) -> dict:
    try:
        return _said(*_apply(_write_of(entry)))
    except Refusal as refusal:
        said = outcome("error", refusal.code, refusal.text)
        return {"response": {"status": str(refusal.status), "outcome": said}}


def _write_of(entry: _Entry) -> Write:
    asked = entry.request
    body = bytes(entry.resource) if entry.resource is not None else b""
    return Write(method=asked.method, url=asked.url, body=body, if_none_exist=asked.ifNoneExist, if_match=asked.ifMatch)


def _said(stored: StoredResource, status: int) -> dict:
    updated = stored.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    location = f"{stored.reference}/_history/{stored.version}"
    answered = {"status": REASONS[status], "location": location, "etag": _etag(stored), "lastModified": updated}
    return {"response": answered}


def _place(write: Write) -> str:
    """Which `Type/id` a write will end at."""
    if write.method == "PUT" and write.id:
        return f"{write.type}/{write.id}"
    condition = write.if_none_exist if write.method == "POST" else write.condition
    found = _only(write.type, condition) if condition else None
    given = _given_id(write) if write.method == "PUT" else ""
    return found.reference if found else f"{write.type}/{given or new_secret()[:32].replace('_', '.')}"


def _apply(write: Write, place: str = "", known: dict[str, str] | None = None) -> tuple[StoredResource, int]:
    """Do one write; answers what is stored now and the HTTP status. Raises Refusal."""
    if write.method not in {"PUT", "POST"}:
        raise Refusal(405, "not-supported", f"{write.method} is not supported.", {"Allow": "GET, PUT, POST"})
    type_, _, resource_id = (place or _place(write)).partition("/")
    if not ID.fullmatch(resource_id):
        raise Refusal(400, "value", f"{resource_id!r} is not a FHIR id.")
    stored = StoredResource.objects.filter(type=type_, resource_id=resource_id).first()
    if stored and write.method == "POST":
        return stored, 200
    if write.if_match and (not stored or write.if_match != _etag(stored)):
        raise Refusal(412, "conflict", "If-Match names another version.")
    status = 200 if stored else 201
    kept = stored or StoredResource(type=type_, resource_id=resource_id, version=0)
    _keep(kept, write, known or {})
    return kept, status


def _keep(kept: StoredResource, write: Write, known: dict[str, str]) -> None:
    members = _members(write)
    said_id = _text(members.get("id"))
    if write.method == "PUT" and said_id and said_id != kept.resource_id:
        raise Refusal(400, "invalid", "The id in the body is not the one in the address.")
    kept.version += 1
    now = timezone.now()
    meta = msgspec.json.decode(members["meta"], type=dict[str, msgspec.Raw]) if "meta" in members else {}
    meta |= {"versionId": _raw(str(kept.version)), "lastUpdated": _raw(now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))}
    head = {"resourceType": members.pop("resourceType"), "id": _raw(kept.resource_id)}
    members = head | {name: value for name, value in members.items() if name != "id"}
    body = msgspec.json.encode(members | {"meta": msgspec.Raw(msgspec.json.encode(meta))})
    body = _REFERENCE.sub(lambda match: _linked(match, known), body)
    parsed = msgspec.json.decode(body)
    kept.replace(
        body=body.decode(),
        patient=elements.patient_of(parsed) or "",
        identifiers=elements.tokens(parsed).get("identifier", ()),
        updated_at=now,
    )


def _linked(match: re.Match[bytes], known: dict[str, str]) -> bytes:
    target = known.get(match[1].decode())
    return b'"reference":"%s"' % target.encode() if target else match[0]


def _members(write: Write) -> dict[str, msgspec.Raw]:
    try:
        members = msgspec.json.decode(write.body, type=dict[str, msgspec.Raw])
        msgspec.json.decode(write.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(400, "structure", f"Not a JSON object: {error}.") from None
    if _text(members.get("resourceType")) != write.type:
        raise Refusal(400, "invalid", f"The body is not a {write.type}.")
    return members


def _given_id(write: Write) -> str:
    return _text(_members(write).get("id"))


def _text(raw: msgspec.Raw | None) -> str:
    value = msgspec.json.decode(raw) if raw is not None else ""
    return value if isinstance(value, str) else ""


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


def _only(type_: str, condition: str) -> StoredResource | None:
    """The one match of a conditional request. Raises Refusal 412 when there are several."""
    found = list(_matching(type_, parse_qsl(condition))[:2])
    if len(found) > 1:
        raise Refusal(412, "multiple-matches", f"{condition} matches more than one {type_}.")
    return found[0] if found else None


def _matching(type_: str, pairs: list[tuple[str, str]]):
    rows = StoredResource.objects.filter(type=type_).order_by("pk")
    for name, value in pairs:
        if name == "_id":
            rows = rows.filter(resource_id__in=value.split(","))
        elif name == "identifier":
            rows = rows.filter(identifiers__token__in=value.split(",")).distinct()
        elif name in {"patient", "subject"}:
            rows = rows.filter(patient=value.removeprefix("Patient/"))
        elif not name.startswith("_"):
            raise Refusal(400, "not-supported", f"Search by {name} is not supported.")
    return rows


def _read(site: Site, path: str) -> HttpResponse:
    type_, _, resource_id = path.partition("/")
    stored = StoredResource.objects.filter(type=type_, resource_id=resource_id).first()
    if not stored:
        raise Refusal(404, "not-found", f"{path} is not here.")
    return HttpResponse(stored.body, content_type=FHIR_JSON, headers={"ETag": _etag(stored)})


def _search(request: HttpRequest, site: Site, type_: str) -> HttpResponse:
    page = read_page(parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True))
    rows = _matching(type_, list(page.pairs))
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


def _etag(stored: StoredResource) -> str:
    return f'W/"{stored.version}"'


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
