"""Pages for machines of ours: from inside addresses, or with the operations token."""

import ipaddress
import secrets
from functools import wraps

from django.conf import settings

from connect.error_answers import json_response
from connect.errors import ResourceNotFound

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


def inside_only(view):
    """404 for everybody else: a stranger learns nothing of what runs here."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if has_token(request) or is_inside(request):
            return view(request, *args, **kwargs)
        return json_response(ResourceNotFound("No such path"), request)

    return guarded


def has_token(request) -> bool:
    """`Authorization: Bearer <OPERATIONS_TOKEN>`."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    expected = settings.OPERATIONS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), expected.encode())


def is_inside(request) -> bool:
    """The caller's own address is one of OPERATIONS_NETWORKS. What came through a proxy came from outside."""
    if any(header in request.META for header in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in settings.OPERATIONS_NETWORKS)
