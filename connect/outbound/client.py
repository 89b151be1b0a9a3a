"""`request` and `stream`: the two calls everything else is made of."""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urljoin

import structlog
from urllib3 import BaseHTTPResponse, exceptions

from connect.outbound.addresses import Target, current_guard, look_up, parse
from connect.outbound.errors import IDEMPOTENT, OutboundError
from connect.outbound.headers import checked, without_credentials
from connect.outbound.policies import Policy
from connect.outbound.pools import pools
from connect.outbound.sockets import Call, running

log = structlog.get_logger(__name__)

CHUNK_BYTES = 64 * 1024
DEFAULT_HEADERS = {"User-Agent": "Connect/1", "Accept-Encoding": "gzip"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status, wholly read. `headers` ignore case; `truncated` if the policy cut the body short."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed_ms: int
    url: str = field(repr=False)
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    """An answer whose body is still on the wire: iterate `chunks` once, inside the `with`."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes] = field(repr=False)
    url: str = field(repr=False)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    policy: Policy,
    route: str | None = None,
) -> Response:
    """Call `url` within `policy` and read the answer. A redirect past policy.redirects == 0 is an answer like any.

    route: a path template without ids ("/Patient/{id}") for the log line; paths themselves are never logged.
    Raises OutboundError.
    """
    exchange = _Exchange(method, policy, route)
    with exchange.told():
        raw, final_url = exchange.open(url, headers or {}, body)
        kept, truncated = exchange.read(raw)
    return Response(raw.status, raw.headers, kept, exchange.elapsed_ms, final_url, truncated)


@contextmanager
def stream(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    policy: Policy,
    route: str | None = None,
) -> Iterator[StreamedResponse]:
    """Like `request`, with the body handed over in chunks, so that its size never matters to memory.

    Leaving the `with` early hangs up. OutboundError may come from iterating too (`too_large`, `deadline`, `reset`).
    """
    exchange = _Exchange(method, policy, route)
    with exchange.told():
        raw, final_url = exchange.open(url, headers or {}, body)
        try:
            yield StreamedResponse(raw.status, raw.headers, exchange.chunks(raw), final_url)
        finally:
            _hang_up(raw)


class _Exchange:
    """One `request` or `stream`: its clock, its redirects, its log line."""

    def __init__(self, method: str, policy: Policy, route: str | None):
        self.method, self.policy, self.route = method, policy, route
        self.started = time.monotonic()
        self.host = ""
        self.status: int | None = None
        self.call = Call(policy, current_guard(), self.started + policy.total_seconds)

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Write the call's one log line, however it ends."""
        facts = {"policy": self.policy.name, "method": self.method, "route": self.route}
        try:
            yield
        except OutboundError as error:
            error.host = error.host or self.host
            log.warning(
                "outbound.failed", host=self.host, reason=error.reason, sent=error.sent, ms=self.elapsed_ms, **facts
            )
            raise
        log.info("outbound.answered", host=self.host, status=self.status, ms=self.elapsed_ms, **facts)

    def open(self, url: str, headers: Mapping[str, str], body: bytes | None) -> tuple[BaseHTTPResponse, str]:
        """Send, follow what may be followed, and return the answer with its body unread."""
        headers = {**DEFAULT_HEADERS, **checked(self.method, headers)}
        for hops_left in range(self.policy.redirects, -1, -1):
            target = self._target(url)
            raw = self._send(target, headers, body)
            location = raw.headers.get("Location") if raw.status in REDIRECTS else None
            if not location or not self.policy.redirects or self.method not in IDEMPOTENT:
                return raw, url
            _hang_up(raw)
            if hops_left == 0:
                break
            url = urljoin(url, location)
            headers = self._headers_for(target, self._target(url), headers)
        raise self._error("redirect", detail="too many redirects")

    def read(self, raw: BaseHTTPResponse) -> tuple[bytes, bool]:
        """The body up to the policy's limit, and whether it was cut there."""
        kept = bytearray()
        try:
            for chunk in self.chunks(raw):
                kept += chunk
            return bytes(kept), False
        except OutboundError:
            if not self.policy.truncate:
                raise
            return bytes(kept), True

    def chunks(self, raw: BaseHTTPResponse) -> Iterator[bytes]:
        """Decompressed pieces. Past the limit: the allowed rest of the piece, then OutboundError("too_large")."""
        left = self.policy.max_body_bytes
        try:
            while chunk := raw.read1(CHUNK_BYTES, decode_content=True):
                if len(chunk) > left:
                    yield chunk[:left]
                    raise self._error("too_large")
                left -= len(chunk)
                yield chunk
        except (exceptions.HTTPError, OSError, ValueError) as error:
            self._fail(error)
        finally:
            _hang_up(raw)

    def _target(self, url: str) -> Target:
        try:
            target = parse(url, self.call.guard)
        except OutboundError as error:
            error.sent = self.call.sent
            raise
        self.host = target.host
        return target

    def _headers_for(self, here: Target, there: Target, headers: Mapping[str, str]) -> Mapping[str, str]:
        if here.origin == there.origin:
            return headers
        if not self.policy.cross_origin_redirects or (here.scheme == "https" and there.scheme == "http"):
            raise self._error("redirect")
        return without_credentials(headers)

    def _send(self, target: Target, headers: Mapping[str, str], body: bytes | None) -> BaseHTTPResponse:
        try:
            return self._send_once(target, headers, body)
        except OutboundError as error:
            # A kept connection that the server closed as we wrote: safe to say again, for what changes nothing.
            if error.reason == "reset" and self.call.reused and error.retry_safe:
                return self._send_once(target, headers, body)
            raise

    def _send_once(self, target: Target, headers: Mapping[str, str], body: bytes | None) -> BaseHTTPResponse:
        call, policy = self.call, self.policy
        call.reused = False
        try:
            if call.guard.proxy_url:
                self._judge_before_proxy(target)
            pool = pools(call.guard).connection_from_host(target.host, target.port, target.scheme)
            with running(call):
                raw = pool.urlopen(
                    self.method,
                    target.line(proxied=bool(call.guard.proxy_url)),
                    body=body,
                    headers=headers,
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    timeout=call.left(policy.read_seconds),
                    pool_timeout=call.left(policy.connect_seconds),  # type: ignore[arg-type]  # any number will do
                    preload_content=False,
                )
        except OutboundError as error:
            raise self._error(error.reason, detail=error.detail) from None
        except (exceptions.HTTPError, OSError, ValueError) as error:
            self._fail(error)
        self.status = raw.status
        return raw

    def _judge_before_proxy(self, target: Target) -> None:
        """Behind a proxy the proxy connects; what we can still do is refuse names we ourselves see as private."""
        try:
            found = look_up(target.host, target.port, seconds=self.call.left(self.policy.connect_seconds))
        except OutboundError:
            return
        for *_, sockaddr in found:
            self.call.guard.check_address(sockaddr[0])

    def _error(self, reason: str, detail: str = "") -> OutboundError:
        return OutboundError(reason, sent=self.call.sent, method=self.method, host=self.host, detail=detail)

    def _fail(self, error: Exception) -> NoReturn:
        # `from None`: urllib3's own messages hold paths, which hold patients' ids.
        raise self._error(_reason(error, self.call)) from None


def _hang_up(raw: BaseHTTPResponse) -> None:
    """Close what was not read to its end, and give the pool its place back (close alone does not)."""
    raw.close()
    raw.release_conn()


def _reason(error: Exception, call: Call) -> str:
    """The slug for one of urllib3's many ways to fail."""
    inner = error.args[-1] if isinstance(error, exceptions.ProtocolError) and error.args else error
    match inner:
        case exceptions.EmptyPoolError():
            return "busy"
        case exceptions.ProxyError():
            return "proxy"
        case exceptions.TimeoutError() | TimeoutError():
            return "deadline" if call.is_over else "read_timeout" if call.sent else "connect_timeout"
        case exceptions.SSLError(args=(ssl.SSLEOFError() | ssl.SSLZeroReturnError(), *_)):
            return "reset"
        case exceptions.SSLError():
            return "tls"
        case exceptions.IncompleteRead() | ConnectionError() | OSError():
            return "reset"
    return "bad_answer"
