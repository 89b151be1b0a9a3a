"""The one change we make to what a portal sent: a Patient gains the integrator's identifier (contract 5)."""

import json

from pulls.fhir import scan

SYSTEM = "urn:medblocks:patient-id"


def with_patient_identifier(raw: bytes, patient_id: str) -> bytes:
    """A Patient resource's text with one more `identifier`; all other bytes stay as they are, digits of numbers too.

    A resource that has the identifier already, or is no JSON object, comes back unchanged.
    """
    ours = json.dumps({"system": SYSTEM, "value": patient_id}, ensure_ascii=False, separators=(",", ":")).encode()
    if ours in raw:
        return raw
    try:
        found = [(start, end) for key, start, end in scan.members(raw) if key == "identifier"]
    except scan.Malformed:
        return raw
    if not found:
        return _first_member(raw, b'"identifier":[' + ours + b"]")
    start, end = found[-1]
    return raw[:start] + _with_element(raw[start:end], ours) + raw[end:]


def _first_member(raw: bytes, member: bytes) -> bytes:
    brace = raw.index(b"{") + 1
    is_empty = raw[brace:].lstrip(scan.WHITESPACE).startswith(b"}")
    return raw[:brace] + member + (b"" if is_empty else b",") + raw[brace:]


def _with_element(value: bytes, ours: bytes) -> bytes:
    """The identifier's list with ours at its end; a value that is no list (FHIR forbids it) becomes part of one."""
    if value == b"null":
        return b"[" + ours + b"]"
    if not value.startswith(b"["):
        return b"[" + value + b"," + ours + b"]"
    inside = value[1:-1].rstrip(scan.WHITESPACE)
    return b"[" + inside + (b"," if inside.strip(scan.WHITESPACE) else b"") + ours + b"]"
