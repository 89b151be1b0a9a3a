"""Calling Connect: `requests` and a key. Every call is kept, trimmed, so that the page can show it."""

import json
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

import requests

from connect.example.configuration import Configuration
from connect.example.store import Store

TIMEOUT_SECONDS = (3, 20)
LISTED, TEXT_SHOWN, DEPTH_SHOWN = 2, 90, 6


class CallFailed(Exception):
    """Connect answered with an error, or did not answer; the message is for the page."""


@dataclass(frozen=True)
class ConnectApi:
    """The public API on behalf of one visitor."""

    configuration: Configuration
    store: Store
    visitor: str

    def get(self, path: str, **parameters) -> dict:
        return self._call("GET", path, parameters={k: v for k, v in parameters.items() if v is not None})

    def post(self, path: str, body: dict | None = None) -> dict:
        return self._call("POST", path, body=body or {})

    def delete(self, path: str) -> dict:
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, *, parameters: dict | None = None, body: dict | None = None) -> dict:
        headers = {"Authorization": f"Bearer {self.configuration.api_key}"}
        if method == "POST":
            headers["Idempotency-Key"] = secrets.token_hex(16)
        try:
            answer = requests.request(
                method, self.configuration.api_url + path, params=parameters, json=body, headers=headers,
                timeout=TIMEOUT_SECONDS,
            )  # fmt: skip
            received = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise CallFailed(f"{method} {path}: no answer ({type(error).__name__})") from None
        self._keep(method, path, parameters, body, answer.status_code, received)
        if not answer.ok:
            raise CallFailed(f"{method} {path}: {answer.status_code} {received.get('error', {}).get('message', '')}")
        return received

    def _keep(self, method, path, parameters, body, status, received) -> None:
        shown = path
        if parameters:
            shown += "?" + urlencode({name: _short(name, value) for name, value in parameters.items()}, safe="…,")
        key = f"{method} {shown}" if method == "GET" else secrets.token_hex(8)
        self.store.add_call(
            self.visitor, key=key, method=method, path=shown, status=status,
            sent=json.dumps(trimmed(body), indent=2) if body else "",
            received=json.dumps(trimmed(received), indent=2, ensure_ascii=False),
        )  # fmt: skip


def _short(name: str, value):
    return "…" if name == "starting_after" else value


def trimmed(value, depth: int = 0):
    """The value as a page can show it: the first items of a list, the beginning of a text."""
    if isinstance(value, dict):
        if depth >= DEPTH_SHOWN:
            return "{…}"
        return {name: trimmed(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        more = [f"… {len(value) - LISTED} more"] if len(value) > LISTED else []
        return [trimmed(inner, depth + 1) for inner in value[:LISTED]] + more
    if isinstance(value, str) and len(value) > TEXT_SHOWN:
        return value[:TEXT_SHOWN] + "…"
    return value
