"""What the writable FHIR server does with one write, and how it finds what it has.

Conditional creates and updates go by `identifier` or `_id` (R4 http.html#cond-update). A body is kept as its own text,
with `id`, `meta.versionId` and `meta.lastUpdated` set; references to `urn:uuid:` entries of a transaction are resolved.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import msgspec
from django.db.models import QuerySet
from django.utils import timezone

from portals.sandbox import elements
from portals.sandbox.models import StoredResource, new_secret
from portals.sandbox.outcomes import Refusal

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(rb'"reference":\s*"(urn:uuid:[^"]+)"')


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


def place(write: Write) -> str:
    """Which `Type/id` a write will end at."""
    if write.method == "PUT" and write.id:
        return f"{write.type}/{write.id}"
    condition = write.if_none_exist if write.method == "POST" else write.condition
    found = _only(write.type, condition) if condition else None
    given = _given_id(write) if write.method == "PUT" else ""
    return found.reference if found else f"{write.type}/{given or new_secret()[:32].replace('_', '.')}"


def apply(write: Write, ends_at: str = "", known: dict[str, str] | None = None) -> tuple[StoredResource, int]:
    """Do one write, at a place already chosen or its own; answers what is stored now and the HTTP status.

    `known` are the places of the entries of its transaction, by fullUrl. Raises Refusal.
    """
    if write.method not in {"PUT", "POST"}:
        raise Refusal(405, "not-supported", f"{write.method} is not supported.", {"Allow": "GET, PUT, POST"})
    type_, _, resource_id = (ends_at or place(write)).partition("/")
    if not ID.fullmatch(resource_id):
        raise Refusal(400, "value", f"{resource_id!r} is not a FHIR id.")
    stored = StoredResource.objects.filter(type=type_, resource_id=resource_id).first()
    if stored and write.method == "POST":
        return stored, 200
    if write.if_match and (not stored or write.if_match != etag(stored)):
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
    found = list(matching(type_, parse_qsl(condition))[:2])
    if len(found) > 1:
        raise Refusal(412, "multiple-matches", f"{condition} matches more than one {type_}.")
    return found[0] if found else None


def matching(type_: str, pairs: list[tuple[str, str]]) -> QuerySet[StoredResource]:
    """Stored resources by `_id`, `identifier` and `patient`. Raises Refusal 400 for other parameters."""
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


def etag(stored: StoredResource) -> str:
    """The weak ETag of a stored version."""
    return f'W/"{stored.version}"'
