"""Sockets that know their call: each read and write is bounded by what is left of the call's whole time.

A time-out alone bounds one read, so a server that drips a byte a second could hold a worker for ever.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connect.outbound.addresses import Guard, look_up
from connect.outbound.errors import OutboundError
from connect.outbound.policies import Policy


@dataclass(slots=True)
class Call:
    """One outgoing request: its limits, and what has become of it."""

    policy: Policy
    guard: Guard
    deadline: float
    sent: bool = False
    reused: bool = False

    def left(self, limit: float) -> float:
        """Seconds the next step may take; raises TimeoutError when the whole time is up."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's time is up")
        return min(limit, left)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline


_thread = threading.local()


@contextmanager
def running(call: Call) -> Iterator[None]:
    """Make `call` the one that connections of this thread belong to: urllib3 has no way to hand it through."""
    _thread.call = call
    try:
        yield
    finally:
        _thread.call = None


def current_call() -> Call:
    return _thread.call


class BoundedSocket(socket.socket):
    """recv and send within the call's time. `call` is set anew for each request on a kept connection."""

    call: Call | None = None

    def recv_into(self, *args, **kwargs):
        self._bound()
        return super().recv_into(*args, **kwargs)

    def send(self, *args, **kwargs):
        self._bound(sending=True)
        return super().send(*args, **kwargs)

    def sendall(self, *args, **kwargs):
        self._bound(sending=True)
        return super().sendall(*args, **kwargs)

    def _bound(self, sending: bool = False) -> None:
        if self.call:
            self.settimeout(self.call.left(self.call.policy.read_seconds))
            self.call.sent = self.call.sent or sending


class BoundedTLSSocket(BoundedSocket, ssl.SSLSocket):
    """The same over TLS, where `super()` is SSLSocket."""


def dial(host: str, port: int, call: Call, *, guarded: bool = True) -> socket.socket:
    """Resolve once, judge every address, connect to one of those judged. Raises OutboundError or TimeoutError."""
    until = time.monotonic() + call.left(call.policy.connect_seconds)
    found = look_up(host, port, seconds=until - time.monotonic())
    if guarded:
        for *_, sockaddr in found:
            call.guard.check_address(sockaddr[0])
    reason = "refused"
    for position, (family, kind, proto, _, sockaddr) in enumerate(found):
        # An unreachable first address (often IPv6) must leave time for the others.
        share = (until - time.monotonic()) / (len(found) - position)
        try:
            return _connected(family, kind, proto, sockaddr, share)
        except TimeoutError:
            reason = "connect_timeout"
        except OSError:
            reason = "refused"
    raise OutboundError(reason, host=host)


def _connected(family: int, kind: int, proto: int, sockaddr: tuple, seconds: float) -> socket.socket:
    sock = BoundedSocket(family, kind, proto)
    try:
        sock.settimeout(max(seconds, 0.001))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock
