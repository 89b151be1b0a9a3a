"""Which URLs and addresses may be called at all (contract 6.2; OWASP SSRF).

Settings: OUTBOUND_ALLOW_INSECURE_HTTP, OUTBOUND_ALLOW_PRIVATE (loopback and private networks, local development),
OUTBOUND_ALLOWED_NETWORKS (CIDRs allowed whatever they are), OUTBOUND_PROXY_URL, OUTBOUND_CA_BUNDLE (PEM file),
OUTBOUND_CONNECTIONS_PER_HOST (in one process). All default to the strictest.
"""

import queue
import re
import socket
import threading
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings

from connect.outbound.errors import OutboundError


def _networks(text: str) -> tuple:
    return tuple(map(ip_network, text.split()))


# IANA special-purpose registries, and what clouds keep inside public space (168.63.129.16 is Azure's wire server).
CLOSED_V4 = _networks(
    """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"""
)
# Only global unicast is open: that leaves out ::1, v4-mapped, NAT64, fc00::/7, fe80::/10 and ff00::/8 at once.
GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
# Teredo and other protocol assignments, documentation, 6to4: forms that carry an IPv4 address in disguise, or nobody.
CLOSED_V6 = _networks("2001::/23 2001:db8::/32 2002::/16 3fff::/20 2620:4f:8000::/48")
PRIVATE = _networks("127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7")
PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".intranet", ".corp", ".home")

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\Z")
ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\Z")
PRINTABLE = re.compile(r"[\x21-\x5b\x5d-\x7e]{1,2048}\Z")  # ASCII without space, controls and backslash


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart once: what is judged here is what is connected to, so no two parsers can disagree."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def line(self, *, proxied: bool) -> str:
        """What stands in the request line: a proxy of plain http wants the whole URL (RFC 9112 3.2.2)."""
        if not proxied or self.scheme == "https":
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules in force, from settings."""

    allow_http: bool
    allow_private: bool
    networks: tuple
    proxy_url: str
    ca_bundle: str
    connections_per_host: int

    def permits(self, address: IPv4Address | IPv6Address) -> bool:
        """True for public addresses and for those the settings open."""
        if any(address in network for network in self.networks):
            return True
        if self.allow_private and any(address in network for network in PRIVATE):
            return True
        if isinstance(address, IPv4Address):
            return not any(address in network for network in CLOSED_V4)
        return address in GLOBAL_UNICAST_V6 and not any(address in network for network in CLOSED_V6)

    def check_address(self, text: str) -> None:
        """Raise OutboundError("address_not_allowed") unless this numeric address may be connected to."""
        if "%" in text or not self.permits(ip_address(text)):
            raise OutboundError("address_not_allowed")

    def check_name(self, host: str) -> None:
        """Refuse names that can only be local, unless local networks are open anyway."""
        if self.allow_private or self.networks:
            return
        if "." not in host or host.endswith(PRIVATE_SUFFIXES):
            raise OutboundError("address_not_allowed", host=host)


def current_guard() -> Guard:
    """The guard the settings ask for now."""
    return _guard(
        bool(getattr(settings, "OUTBOUND_ALLOW_INSECURE_HTTP", False)),
        bool(getattr(settings, "OUTBOUND_ALLOW_PRIVATE", False)),
        tuple(getattr(settings, "OUTBOUND_ALLOWED_NETWORKS", ())),
        getattr(settings, "OUTBOUND_PROXY_URL", "") or "",
        str(getattr(settings, "OUTBOUND_CA_BUNDLE", "") or ""),
        int(getattr(settings, "OUTBOUND_CONNECTIONS_PER_HOST", 16)),
    )


@lru_cache(maxsize=16)
def _guard(allow_http, allow_private, networks, proxy_url, ca_bundle, connections_per_host) -> Guard:
    parsed = tuple(ip_network(network) for network in networks)
    return Guard(allow_http, allow_private, parsed, proxy_url, ca_bundle, connections_per_host)


def check_url(url: str, *, resolve: bool = True) -> None:
    """Refuse a URL when it is saved: raises OutboundError with reason bad_url, insecure or address_not_allowed.

    With `resolve` the name is looked up too (2 s at most; a name that does not resolve passes, since it may soon).
    Pass resolve=False for lists of many. The same rules run again on the address at connect time.
    """
    guard = current_guard()
    target = parse(url, guard)
    if not resolve:
        return
    try:
        found = look_up(target.host, target.port, seconds=2)
    except OutboundError:
        return
    for *_, sockaddr in found:
        guard.check_address(sockaddr[0])


def parse(url: str, guard: Guard) -> Target:
    """Take a URL apart, strictly; raises OutboundError (bad_url, insecure, address_not_allowed)."""
    if not isinstance(url, str) or not PRINTABLE.match(url):
        raise OutboundError("bad_url", detail="a URL is 1 to 2048 printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OutboundError("bad_url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or port == 0:
        raise OutboundError("bad_url", detail="it must be an absolute http(s) URL without a user name")
    if parts.scheme == "http" and not guard.allow_http:
        raise OutboundError("insecure")
    host = _checked_host(parts.hostname, guard)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def _checked_host(host: str, guard: Guard) -> str:
    """Names by a strict grammar; addresses only in their one canonical spelling, never decimal, octal or hex."""
    if ":" in host or ENDS_IN_NUMBER.match(host):
        try:
            address = ip_address(host)
        except ValueError:
            raise OutboundError("bad_url", detail="the host is not a name nor a plain IP address") from None
        guard.check_address(str(address))
        return str(address)
    if len(host) > 253 or not NAME.match(host):
        raise OutboundError("bad_url", detail="the host is not a plain DNS name")
    guard.check_name(host)
    return host


def look_up(host: str, port: int, *, seconds: float) -> list[tuple]:
    """`getaddrinfo` with a time limit, which the C library lacks: the thread is left behind when it is late."""
    answer: queue.SimpleQueue = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            answer.put([])

    if ":" in host or ENDS_IN_NUMBER.match(host):
        ask()
    else:
        threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        found = answer.get(timeout=max(seconds, 0.001))
    except queue.Empty:
        found = []
    if not found:
        raise OutboundError("dns", host=host)
    return found
