"""The few fields of a resource that we need; everything else stays bytes."""

import json
import re

import msgspec

MAX_ID = 300
TYPE_NAME = re.compile(r"[A-Za-z]{1,64}\Z")


class Unreadable(ValueError):
    """A resource that cannot be filed. `reason`: not_json, not_utf8, not_a_resource, no_id, unusable_id."""

    def __init__(self, reason: str):
        self.reason = reason
        super().__init__(reason)


class Head(msgspec.Struct, frozen=True):
    """What a resource says of itself. `subjects`: the references naming whose it is (subject, patient, beneficiary)."""

    type: str
    id: str
    version_id: str = ""
    last_updated: str = ""
    subjects: tuple[str, ...] = ()


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Meta(msgspec.Struct):
    versionId: str | None = None
    lastUpdated: str | None = None


class _Resource(msgspec.Struct):
    resourceType: str
    id: str
    meta: _Meta | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    beneficiary: _Reference | None = None


_decoder = msgspec.json.Decoder(_Resource)
NO_META = _Meta()


def read_head(raw: bytes) -> Head:
    """The head of a resource, however odd the rest of it is. Raises Unreadable."""
    try:
        found = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _leniently(raw)
    meta = found.meta or NO_META
    named = found.subject, found.patient, found.beneficiary
    subjects = tuple([each.reference for each in named if each and each.reference])
    return _checked(found.resourceType, found.id, meta.versionId or "", meta.lastUpdated or "", subjects)


def _leniently(raw: bytes) -> Head:
    """The same with the standard library, which takes lone surrogates, and without faith in any type."""
    try:
        found = json.loads(raw, parse_float=_no_text, parse_int=_no_text)
    except UnicodeDecodeError:
        raise Unreadable("not_utf8") from None
    except (ValueError, RecursionError):
        raise Unreadable("not_json") from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise Unreadable("not_a_resource")
    meta = found.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    subjects = [reference for name in ("subject", "patient", "beneficiary") for reference in _named(found.get(name))]
    return _checked(
        found["resourceType"], _text(found.get("id")), _text(meta.get("versionId")), _text(meta.get("lastUpdated")),
        tuple(subjects),
    )  # fmt: skip


def _no_text(digits: str) -> None:
    """Numbers are never names; and an integer of a million digits is not worth reading."""


def _named(value) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_text(each.get("reference")) for each in values if isinstance(each, dict) and each.get("reference")]


def _text(value) -> str:
    return value if isinstance(value, str) else ""


def _checked(type_: str, id_: str, version_id: str, last_updated: str, subjects: tuple[str, ...]) -> Head:
    """Refuse what no database row could be found by; drop what is only shown and cannot be kept."""
    if not id_:
        raise Unreadable("no_id")
    if not TYPE_NAME.match(type_):
        raise Unreadable("not_a_resource")
    if len(id_) > MAX_ID or not _is_storable(id_):
        raise Unreadable("unusable_id")
    version_id = version_id[:100] if _is_storable(version_id) else ""
    last_updated = last_updated[:40] if _is_storable(last_updated) else ""
    return Head(type_, id_, version_id, last_updated, subjects)


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL takes it as text: no NUL, no lone surrogate."""
    return "\x00" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))
