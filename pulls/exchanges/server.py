"""A kept exchange as a portal again, on a port of this machine."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from pulls.exchanges.replay import Replay

PREFIX = "/fhir"


@contextmanager
def standing(exchange: dict) -> Iterator[str]:
    """The FHIR base URL at which the exchange's portal answers, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    base = f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.replay = Replay(exchange, base)
    Thread(target=server.serve_forever, name="replayed-portal", daemon=True).start()
    try:
        yield base
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = self.server.replay.answer(self.path.removeprefix(PREFIX))
        if said.status is None:  # no answer came: hang up, which closing alone would not do
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(said.status)
        for name, value in (said.headers | {"Content-Length": str(len(said.body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said.body)

    def log_message(self, *args) -> None:
        """Nothing: the command says what came of it."""
