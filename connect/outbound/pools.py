"""Kept connections (urllib3), shared by threads, never by processes, whose sockets are dialled by our own guard."""

import os
import ssl
import threading
import time
from functools import lru_cache
from typing import Any

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from connect.outbound.addresses import Guard
from connect.outbound.sockets import BoundedSocket, BoundedTLSSocket, Call, current_call, dial

HOSTS_KEPT = 256


def _tell(sock: object, call: Call) -> None:
    if isinstance(sock, BoundedSocket):
        sock.call = call


class Dialled(HTTPConnection):
    """A urllib3 connection that connects through `dial` and tells its socket which call it serves."""

    rested_since = 0.0
    has_served = False

    def _new_conn(self):
        call = current_call()
        sock = dial(self._dns_host, self.port, call, guarded=self.proxy is None)
        sock.settimeout(call.left(call.policy.connect_seconds))
        return sock

    def connect(self):
        self.has_served = False
        super().connect()
        _tell(self.sock, current_call())

    def request(self, *args, **kwargs):
        call = current_call()
        call.reused = self.has_served
        _tell(self.sock, call)
        super().request(*args, **kwargs)
        self.has_served = True


class _DialledHTTPS(Dialled, HTTPSConnection):
    """The same over TLS; the certificate is checked against the name, whatever address was dialled."""


class _HTTPPool(HTTPConnectionPool):
    """A pool that does not hand out a connection which has rested longer than the call's policy trusts."""

    ConnectionCls = Dialled

    def _get_conn(self, timeout=None):
        connection = super()._get_conn(timeout)
        rested_since = getattr(connection, "rested_since", 0.0)
        if time.monotonic() - rested_since > current_call().policy.idle_seconds:
            connection.close()
        return connection

    def _put_conn(self, connection):
        if connection is not None:
            connection.rested_since = time.monotonic()
        super()._put_conn(connection)


class _HTTPSPool(_HTTPPool, HTTPSConnectionPool):
    ConnectionCls = _DialledHTTPS


@lru_cache(maxsize=8)
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Verified TLS 1.2 or newer, always: there is no setting that turns the check off."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED, ssl_minimum_version=ssl.TLSVersion.TLSv1_2)
    context.check_hostname = True
    context.load_verify_locations(cafile=ca_bundle or certifi.where())
    context.sslsocket_class = BoundedTLSSocket
    return context


_managers: dict[Guard, PoolManager] = {}
_making = threading.Lock()


def pools(guard: Guard) -> PoolManager:
    """This process's pools under these rules: a connection made under other rules is never reused."""
    manager = _managers.get(guard)
    if manager is None:
        with _making:
            manager = _managers.get(guard) or _managers.setdefault(guard, _new_manager(guard))
    return manager


def _new_manager(guard: Guard) -> PoolManager:
    options: dict[str, Any] = {
        "num_pools": HOSTS_KEPT,
        "maxsize": guard.connections_per_host,
        "block": True,
        "ssl_context": tls_context(guard.ca_bundle),
    }
    manager = ProxyManager(guard.proxy_url, **options) if guard.proxy_url else PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


def _forget_parents_connections() -> None:
    """A forked child must not write into its parent's sockets."""
    global _making
    _making = threading.Lock()
    _managers.clear()


os.register_at_fork(after_in_child=_forget_parents_connections)
