"""A FHIR R4 server that takes transaction and batch bundles."""

import base64
import json
from dataclasses import replace

from connect import outbound
from pulls.exports.stores.errors import StoreRefused, StoreUnavailable, not_called

FHIR_JSON = "application/fhir+json"
POLICY = replace(outbound.PORTAL, name="export", redirects=0)


class FhirStore:
    """`transaction` sends entries that stand or fall together, `batch` entries that stand alone."""

    def __init__(self, settings: dict, credentials: dict):
        self.base = settings["base_url"].rstrip("/")
        self.headers = {"Accept": FHIR_JSON} | _authorization(credentials)

    def check(self) -> None:
        """The server speaks R4 and takes our credentials (an empty batch). Raises StoreError."""
        statement = self._call("GET", "/metadata")
        if statement.get("resourceType") != "CapabilityStatement":
            raise StoreRefused("not_fhir")
        if not str(statement.get("fhirVersion", "4.0")).startswith("4."):
            raise StoreRefused("not_r4")
        if _takes_no_ids(statement):
            raise StoreRefused("no_client_ids")
        self.send([], kind="batch")

    def send(self, entries: list[bytes], *, kind: str) -> list[int]:
        """POST a bundle of entries; the HTTP status of each. Raises StoreError."""
        bundle = b'{"resourceType":"Bundle","type":"%s","entry":[%s]}' % (kind.encode(), b",".join(entries))
        answer = self._call("POST", "", bundle)
        statuses = [_status(entry) for entry in answer.get("entry") or []]
        if len(statuses) != len(entries):
            raise StoreUnavailable("bad_answer")
        return statuses

    def _call(self, method: str, path: str, body: bytes | None = None) -> dict:
        headers = self.headers | ({"Content-Type": FHIR_JSON} if body else {})
        try:
            answer = outbound.request(
                method, self.base + path, headers=headers, body=body, policy=POLICY, route="export"
            )
        except outbound.OutboundError as error:
            raise not_called(error.reason) from None
        if answer.status in (408, 425, 429) or answer.status >= 500:
            wait = outbound.retry_after_seconds(answer.headers)
            raise StoreUnavailable(f"http_{answer.status}", retry_after_seconds=wait)
        if answer.status in (401, 403):
            raise StoreRefused("bad_credentials")
        if not 200 <= answer.status < 300:
            raise StoreRefused(f"http_{answer.status}")
        return _object(answer.body)


def _takes_no_ids(statement: dict) -> bool:
    """Whether the server says of every type that an update may not create: then ids of ours have no place there."""
    rests = statement.get("rest") if isinstance(statement.get("rest"), list) else []
    listed = [each for rest in rests if isinstance(rest, dict) for each in rest.get("resource") or []]
    return bool(listed) and all(isinstance(each, dict) and each.get("updateCreate") is False for each in listed)


def _authorization(credentials: dict) -> dict[str, str]:
    if credentials.get("token"):
        return {"Authorization": f"Bearer {credentials['token']}"}
    if credentials.get("username"):
        pair = f"{credentials['username']}:{credentials.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _object(body: bytes) -> dict:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise StoreRefused("not_fhir")
    return found


def _status(entry: dict) -> int:
    """The number in front of `201 Created`; 0 where there is none."""
    text = str((entry.get("response") or {}).get("status", ""))[:3] if isinstance(entry, dict) else ""
    return int(text) if text.isdigit() else 0
