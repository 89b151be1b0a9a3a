"""Public ids (contract 1.3): a prefix and a 26-character ULID, so that ids sort by time."""

import base64
import hashlib

from ulid import ULID

RESERVED_PATIENT_PREFIXES = ("pat_", "pf_", "conn_", "fhirsrc_", "wh_", "evt_")


def new_id(prefix: str) -> str:
    """`new_id("pf")` → `pf_01J…`: time-ordered, unique without coordination."""
    return f"{prefix}_{ULID()}"


def new_patient_id() -> str:
    return new_id("pat")


def new_flow_id() -> str:
    return new_id("pf")


def new_attempt_id() -> str:
    return new_id("att")


def new_connection_id() -> str:
    return new_id("conn")


def new_endpoint_id() -> str:
    return new_id("wh")


def new_event_id() -> str:
    return new_id("evt")


def oldest_id(prefix: str, made_at) -> str:
    """The smallest id of this prefix that something made at this time can have: ids sort by time, so ages are ranges."""
    return f"{prefix}_{ULID(int(made_at.timestamp() * 1000).to_bytes(6, 'big') + bytes(10))}"


def oldest_event_id(made_at) -> str:
    """The smallest id an event made at this time can have."""
    return oldest_id("evt", made_at)


def new_pull_id() -> str:
    return new_id("pull")


def new_export_id() -> str:
    return new_id("exp")


def new_destination_id() -> str:
    return new_id("dest")


def new_organization_id() -> str:
    return new_id("org")


def new_key_id() -> str:
    return new_id("key")


def new_revocation_id() -> str:
    return new_id("rev")


def new_registration_id() -> str:
    return new_id("reg")


def new_patient_link_id() -> str:
    return new_id("link")


def new_alert_id() -> str:
    return new_id("alert")


def new_update_id() -> str:
    return new_id("upd")


def new_receipt_id() -> str:
    return new_id("rcpt")


def source_id(environment: str, fhir_base_url: str) -> str:
    """The id of a catalogue entry, the same whenever the same directory is imported again.

    `fhir_base_url` is the normalised base URL (portals.directory): the id is 130 bits of its SHA-256.
    """
    digest = hashlib.sha256(f"{environment}\n{fhir_base_url}".encode()).digest()
    return "fhirsrc_" + base64.b32encode(digest).decode()[:26].lower()
