"""Webhooks as they arrive: believe a signature, then read the event.

    event = construct_event(request.body, request.headers, secret)

Connect signs every delivery twice; whichever of the two is there is checked, Standard Webhooks first.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence

import msgspec

from connect_health.errors import SignatureInvalid
from connect_health.models import ReceivedEvent

TOLERANCE_SECONDS = 300
MEDBLOCKS = "medblocks-signature"
ID, TIMESTAMP, STANDARD = "webhook-id", "webhook-timestamp", "webhook-signature"


def construct_event(
    body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str], *,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> ReceivedEvent:  # fmt: skip
    """The event in a webhook's body. Raises SignatureInvalid unless it was signed with the secret, and lately.

    `body` is the very bytes that arrived: a body parsed and written again has another signature. During a rotation
    pass both secrets. `tolerance_seconds` is how far the sender's clock may be from ours.
    """
    raw = body.encode() if isinstance(body, str) else body
    secrets = [secret] if isinstance(secret, str) else list(secret)
    verify(raw, headers, secrets, tolerance_seconds=tolerance_seconds)
    try:
        return msgspec.json.decode(raw, type=ReceivedEvent)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SignatureInvalid(f"Signed, but no event of this API: {error}") from error


def verify(body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, tolerance_seconds: int) -> None:
    """Raise SignatureInvalid unless a signature in the headers is right for these bytes and recent."""
    told = {name.lower(): value for name, value in headers.items()}
    if STANDARD in told:
        timestamp, wanted, found = _standard(body, told, secrets)
    elif MEDBLOCKS in told:
        timestamp, wanted, found = _medblocks(body, told[MEDBLOCKS], secrets)
    else:
        raise SignatureInvalid("There is no signature: neither webhook-signature nor Medblocks-Signature")
    if not any(hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in found):
        raise SignatureInvalid("The signature is wrong: another secret, or other bytes than were signed")
    if abs(time.time() - timestamp) > tolerance_seconds:
        raise SignatureInvalid("The signature is too old, or one of the clocks is wrong")


def sign(body: bytes, *, message_id: str, timestamp: int, secret: str) -> dict[str, str]:
    """The headers of a delivery of these bytes, both signatures among them: what tests of a receiver send."""
    headers = {
        "Medblocks-Signature": f"t={timestamp},v1={medblocks_value(body, timestamp, secret)}",
        ID: message_id,
        TIMESTAMP: str(timestamp),
    }
    standard = standard_value(body, message_id, timestamp, secret)
    return headers | ({STANDARD: f"v1,{standard}"} if standard else {})


def medblocks_value(body: bytes, timestamp: int, secret: str) -> str:
    """HMAC-SHA256 over `{t}.{body}`, keyed by the whole secret, `whsec_` included."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def standard_value(body: bytes, message_id: str, timestamp: int, secret: str) -> str | None:
    """Standard Webhooks: keyed by the base64 after `whsec_`. None for a secret that is no base64."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return None
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _standard(body: bytes, told: Mapping[str, str], secrets: Sequence[str]) -> tuple[int, list[str], list[str]]:
    timestamp, message_id = _seconds(told.get(TIMESTAMP, "")), told.get(ID, "")
    values = (standard_value(body, message_id, timestamp, secret) for secret in secrets)
    found = [value for version, _, value in (part.partition(",") for part in told[STANDARD].split()) if version == "v1"]
    return timestamp, [value for value in values if value], found


def _medblocks(body: bytes, header: str, secrets: Sequence[str]) -> tuple[int, list[str], list[str]]:
    parts = [part.strip().partition("=") for part in header.split(",")]
    timestamp = _seconds(next((value for name, _, value in parts if name == "t"), ""))
    found = [value for name, _, value in parts if name == "v1"]
    return timestamp, [medblocks_value(body, timestamp, secret) for secret in secrets], found


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise SignatureInvalid("The signature's timestamp is missing or no number")
    return int(text)
