"""A wire to PostgreSQL on which everything said to it takes its time: a slow database, as its clients see it."""

import contextlib
import socket
import threading
import time

CHUNK = 65536


class SlowWire:
    """Forwards a free port of the loopback to `port`, each message to it `seconds` late. Use as a context manager."""

    def __init__(self, port: int, *, seconds: float):
        self.target, self.seconds = port, seconds
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return self._listening.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        for each in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self._open += [client, server]
                threading.Thread(target=self._carry, args=(client, server, self.seconds), daemon=True).start()
                threading.Thread(target=self._carry, args=(server, client, 0.0), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, seconds: float) -> None:
        with contextlib.suppress(OSError):
            while said := source.recv(CHUNK):
                time.sleep(seconds)
                target.sendall(said)
            target.shutdown(socket.SHUT_WR)
