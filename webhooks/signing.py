"""Signatures over the very bytes sent, in two forms so that both kinds of receiver verify (contract 6.2)."""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"


def new_secret() -> str:
    """`whsec_` and the base64 of 24 random bytes, as Standard Webhooks has it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def medblocks_signature(secrets_: list[str], timestamp: int, body: bytes) -> str:
    """`Medblocks-Signature`: HMAC-SHA256 keyed by the whole secret string over `{t}.{body}`; a `v1` a secret."""
    signed = f"{timestamp}.".encode() + body
    values = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets_]
    return ",".join([f"t={timestamp}", *(f"v1={value}" for value in values)])


def standard_signature(secrets_: list[str], message_id: str, timestamp: int, body: bytes) -> str:
    """`webhook-signature` (Standard Webhooks): keyed by the base64 after `whsec_`; space-separated, one a secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_standard_value(secret, signed)}" for secret in secrets_)


def _standard_value(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(secrets_: list[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Every header a delivery carries for its authenticity."""
    return {
        "Medblocks-Signature": medblocks_signature(secrets_, timestamp, body),
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_signature(secrets_, message_id, timestamp, body),
    }
