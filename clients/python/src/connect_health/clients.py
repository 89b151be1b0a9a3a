"""The two clients."""

import os
from collections.abc import Mapping
from typing import Any, Generic, Self
from urllib.parse import urlsplit

import httpx

from connect_health._binding import TransportT
from connect_health._calls import Call
from connect_health._conversations import Terms
from connect_health._retrying import Retries
from connect_health._transports import AsyncTransport, SyncTransport
from connect_health._version import API_VERSION, __version__
from connect_health.resources.connections import Connections
from connect_health.resources.events import Events
from connect_health.resources.exports import ExportDestinations, Exports
from connect_health.resources.patient_flows import PatientFlows
from connect_health.resources.patients import Patients
from connect_health.resources.pulls import Pulls
from connect_health.resources.records import Records
from connect_health.resources.sandbox import Sandbox
from connect_health.resources.webhooks import Webhooks

TIMEOUT = httpx.Timeout(30, connect=5)


class _Client(Generic[TransportT]):
    """What both clients offer."""

    def __init__(self, transport: TransportT) -> None:
        self._transport = transport
        self.patients = Patients(transport)
        self.patient_flows = PatientFlows(transport)
        self.connections = Connections(transport)
        self.records = Records(transport)
        self.pulls = Pulls(transport)
        self.exports = Exports(transport)
        self.export_destinations = ExportDestinations(transport)
        self.webhooks = Webhooks(transport)
        self.events = Events(transport)
        self.sandbox = Sandbox(transport)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport.terms.base_url}>"


class Connect(_Client[SyncTransport]):
    """The client for code that waits. Safe to share between threads; close it, or use it in a `with`.

    `api_key` and `base_url` default to the environment's CONNECT_KEY and CONNECT_URL. Calls that fail in
    passing are made again, at most `max_retries` times, without doing anything twice. `decimals=Decimal` keeps the
    digits of numbers in records. `http` is an httpx client of your own, for proxies or certificates.
    """

    def __init__(
        self, api_key: str | None = None, base_url: str | None = None, *, max_retries: int = 2,
        version: str = API_VERSION, decimals: type[Any] = float, http: httpx.Client | None = None,
    ) -> None:  # fmt: skip
        terms = _terms(api_key, base_url, max_retries, version, decimals)
        super().__init__(SyncTransport(terms, http or httpx.Client(timeout=TIMEOUT)))

    def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """Any other call, with the same key, retries and errors; answers plain JSON values."""
        return self._transport.call(Call(method, path, object, query or {}, body))

    def close(self) -> None:
        self._transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncConnect(_Client[AsyncTransport]):
    """The client for asyncio and trio: as Connect, with `await`, `async for` and `async with`."""

    def __init__(
        self, api_key: str | None = None, base_url: str | None = None, *, max_retries: int = 2,
        version: str = API_VERSION, decimals: type[Any] = float, http: httpx.AsyncClient | None = None,
    ) -> None:  # fmt: skip
        terms = _terms(api_key, base_url, max_retries, version, decimals)
        super().__init__(AsyncTransport(terms, http or httpx.AsyncClient(timeout=TIMEOUT)))

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        """As Connect.request."""
        return await self._transport.call(Call(method, path, object, query or {}, body))

    async def close(self) -> None:
        await self._transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _terms(api_key: str | None, base_url: str | None, max_retries: int, version: str, decimals: type[Any]) -> Terms:
    key = api_key or os.environ.get("CONNECT_KEY", "")
    base = (base_url or os.environ.get("CONNECT_URL", "")).rstrip("/")
    if not key:
        raise ValueError("An API key is needed: api_key=…, or CONNECT_KEY in the environment")
    if urlsplit(base).scheme not in ("http", "https"):
        raise ValueError("The server's URL is needed: base_url='https://…', or CONNECT_URL in the environment")
    headers = {
        "Authorization": f"Bearer {key}",
        "Accept": "application/json, application/fhir+ndjson",
        "User-Agent": f"connect-health-python/{__version__}",
        "Version": version,
    }
    return Terms(base, headers, Retries(count=max_retries), decimals)
