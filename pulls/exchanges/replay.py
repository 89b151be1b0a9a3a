"""Playing a kept conversation again: what the portal answers to a request, as far as it was recorded."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from pulls.exchanges.disguise import BASE

UNREADABLE = {"web_page": b"<html></html>", "not_json": b'{"resourceType":'}
EMPTY = {"resourceType": "Bundle", "type": "searchset", "total": 0}


@dataclass(frozen=True)
class Replayed:
    """One answer; `status` None is a call that got none (the connection is to be cut)."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Replay:
    """The portal of an exchange, standing at another base URL. Answers of one request come in their order; the last
    one is repeated. A request that was never made is answered with an empty searchset."""

    def __init__(self, exchange: dict, base: str):
        self.base = base.rstrip("/")
        self.left: dict[tuple, list[dict]] = defaultdict(list)
        for call in exchange["calls"]:
            self.left[_key(call["url"])].append(call)

    def answer(self, path_and_query: str) -> Replayed:
        """What the portal said to this, below its base."""
        calls = self.left.get(_key(path_and_query))
        if not calls:
            return _json(200, EMPTY)
        call = calls.pop(0) if len(calls) > 1 else calls[0]
        if call["status"] is None:
            return Replayed(None)
        headers = {"Content-Type": call["content_type"] or "application/fhir+json"}
        if call["retry_after_seconds"]:
            headers["Retry-After"] = str(round(call["retry_after_seconds"]))
        if call.get("unreadable"):
            return Replayed(call["status"], headers, UNREADABLE[call["unreadable"]])
        if call["body"] is None and call["bytes"] == 0:
            return Replayed(call["status"], headers)
        body = EMPTY if call["body"] is None else call["body"]
        return Replayed(call["status"], headers, json.dumps(body).replace(BASE, self.base).encode())


def _json(status: int, body: dict) -> Replayed:
    return Replayed(status, {"Content-Type": "application/fhir+json"}, json.dumps(body).encode())


def _key(path_and_query: str) -> tuple:
    parts = urlsplit(path_and_query)
    return parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
