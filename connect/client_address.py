"""Who calls: the address of the client, not of the proxy in front.

Each proxy appends the address it was called from to `X-Forwarded-For`. Only what proxies of ours wrote can be believed:
of PROXY_HOPS of them the first one's entry stands so many from the right; anything left of it came with the request.
"""

import ipaddress

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed


class ClientAddressMiddleware:
    """Puts the client's address in `REMOTE_ADDR`, where sign-in limits, the audit log and key limits read it."""

    def __init__(self, get_response):
        if settings.PROXY_HOPS < 1:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request):
        told = forwarded_address(request.META.get("HTTP_X_FORWARDED_FOR", ""), settings.PROXY_HOPS)
        if told:
            request.META["REMOTE_ADDR"] = told
        return self.get_response(request)


def forwarded_address(header: str, hops: int) -> str | None:
    """The address that the outermost of `hops` proxies of ours was called from; None where the header has none there."""
    entries = [entry.strip() for entry in header.split(",")]
    return _address(entries[-hops]) if len(entries) >= hops else None


def _address(entry: str) -> str | None:
    """`192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        return str(ipaddress.ip_address(entry))
    except ValueError:
        return None


def block_of(address: str | None) -> str | None:
    """What one caller can choose from: an IPv4 address, or the /64 an IPv6 address is in; None for no address."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if found.version == 6 and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
