"""The integrator's side of a journey: a web server that takes webhooks, believes signatures only, and greets returns."""

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook


class Receiver:
    """`url` for webhooks, `return_url` for browsers. `answer` is the status it gives to webhooks."""

    def __init__(self):
        self.secret = ""
        self.answer = 200
        self.events: list[dict] = []
        self.refused: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.base_url}/hooks"

    @property
    def return_url(self) -> str:
        return f"{self.base_url}/back?from=connect"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, headers: dict, body: bytes) -> int:
        if self.answer != 200:
            return self.answer
        try:
            event = Webhook(self.secret).verify(body, headers)
            self._check_medblocks_signature(headers["Medblocks-Signature"], body)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a signature, it is refused
            self.refused.append(repr(error))
            return 401
        assert event["id"] == headers["webhook-id"]
        self.events.append(event)
        return 200

    def _check_medblocks_signature(self, header: str, body: bytes) -> None:
        parts = dict(part.split("=", 1) for part in header.split(","))
        expected = hmac.new(self.secret.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(parts["v1"], expected)

    def of(self, patient_id: str, *types: str) -> list[dict]:
        """The patient's events in the order they came, of these types or of all."""
        mine = [event for event in self.events if about(event) == patient_id]
        return [event for event in mine if not types or event["type"] in types]


def about(event: dict) -> str | None:
    return event.get("patient_id") or event["data"]["object"].get("patient_id")


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._reply(receiver.take(dict(self.headers), body), "application/json", json.dumps({"ok": True}))

        def do_GET(self):
            self._reply(200, "text/html", "<!doctype html><title>Back</title><h1>Welcome back</h1>")

        def _reply(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    return Handler
