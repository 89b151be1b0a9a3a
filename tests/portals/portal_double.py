"""A portal that does what it is told: a real threaded HTTP server, scripted per path, that remembers what it got.

portal.on("/token", Answer(503), Answer(json={"access_token": "a"}))     # one after another, the last one stays
portal.on("/token", lambda request: Answer(json={...}))                   # or decided by the request
"""

import json as json_module
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, parse_qsl, urlsplit


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    target: str = ""

    @property
    def form(self) -> dict[str, str]:
        pairs = parse_qsl(self.body.decode(), keep_blank_values=True)
        assert len(pairs) == len(dict(pairs)), "a form field came twice"
        return dict(pairs)

    @property
    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.query)


@dataclass
class Answer:
    """What to answer. `drip`: seconds between the body's bytes. The three silent ways: `reset`, `hang_up`, `silent`."""

    status: int = 200
    json: object = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    drip: float = 0.0
    reset: bool = False
    hang_up: bool = False
    silent: bool = False

    def wire(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body, headers = self.body, {"Content-Type": "text/html", **self.headers}
        if self.json is not None:
            body = json_module.dumps(self.json).encode()
            headers = {"Content-Type": "application/json", **self.headers}
        headers = {"Content-Length": str(len(body))} | headers
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Scripted\r\n{head}\r\n".encode() + body


HTML = Answer(200, body=b"<html><title>Sign in</title><form>...</form></html>")
HTML_502 = Answer(502, body=b"<html>Bad gateway</html>")
Script = Answer | Callable[[Received], Answer]


class PortalDouble:
    """Use as a context manager. `url` is its root; `requests` what came; paths without a script are 404."""

    def __init__(self, *, certificate: tuple[str, str] | None = None):
        self.requests: list[Received] = []
        self.connections = 0
        self.scripts: dict[str, list[Script]] = {}
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.server = _Server(("127.0.0.1", 0), _Handler, self)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def on(self, path: str, *answers: Script) -> None:
        self.scripts[path] = list(answers)

    def to(self, path: str) -> list[Received]:
        """The requests that came for `path`."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Received) -> Answer:
        with self.lock:
            self.requests.append(request)
            script = self.scripts.get(request.path)
            if not script:
                return Answer(404, body=b"not here")
            step = script.pop(0) if len(script) > 1 else script[0]
        return step(request) if callable(step) else step

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address, handler, portal):
        self.portal = portal
        super().__init__(address, handler)

    def get_request(self):
        self.portal.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        portal = self.server.portal
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = portal.answer(Received(self.command, parts.path, parts.query, headers, body, self.path))
        self.close_connection = answer.hang_up or answer.reset or answer.raw is not None
        if answer.silent:
            portal.stopping.wait(10)
        elif answer.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif not answer.hang_up:
            self.put(answer, portal.stopping)

    def put(self, answer: Answer, stopping: threading.Event) -> None:
        wire = answer.wire()
        if not answer.drip:
            self.wfile.write(wire if self.command != "HEAD" else wire[: wire.index(b"\r\n\r\n") + 4])
            return
        for byte in wire:
            self.wfile.write(bytes([byte]))
            if stopping.wait(answer.drip):
                return

    do_GET = do_POST = do_HEAD = do_PUT = handle_any

    def log_message(self, *args):
        """Quiet."""
