"""The one way out: every outgoing HTTP call of Connect goes through here (DESIGN law 5).

    answer = outbound.request("GET", url, headers={...}, policy=outbound.PORTAL)

Policies are data (`policies`), refusals and failures are one exception with a slug (`errors`), addresses are judged
on the very socket that is connected (`addresses`, `sockets`), and log lines hold no URL, body or header (`client`).
"""

from connect.outbound.adapter import GuardedAdapter
from connect.outbound.addresses import check_url
from connect.outbound.client import Response, StreamedResponse, request, stream
from connect.outbound.errors import OutboundError
from connect.outbound.headers import retry_after_seconds
from connect.outbound.policies import BUCKET, PICTURE, PORTAL, PORTAL_BINARY, PORTAL_TOKEN, PROBE, WEBHOOK, Policy

__all__ = [
    "BUCKET",
    "PICTURE",
    "PORTAL",
    "PORTAL_BINARY",
    "PORTAL_TOKEN",
    "PROBE",
    "WEBHOOK",
    "GuardedAdapter",
    "OutboundError",
    "Policy",
    "Response",
    "StreamedResponse",
    "check_url",
    "request",
    "retry_after_seconds",
    "stream",
]
