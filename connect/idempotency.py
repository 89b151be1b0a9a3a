"""`Idempotency-Key` (contract 1): what a key may look like and what makes two requests the same."""

import hashlib

from connect.errors import InvalidData

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
KEPT_SECONDS = 24 * 3600
LEASE_SECONDS = 60


def read_key(headers) -> str | None:
    """The request's key, or None; raises InvalidData unless it is 1–255 printable ASCII characters."""
    key = headers.get(HEADER)
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not all(" " <= character <= "~" for character in key):
        raise InvalidData("An idempotency key is 1 to 255 printable ASCII characters", param=HEADER)
    return key


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Two requests with one key must share it: SHA-256 of method, path and the very body bytes."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()
