"""Connect's client: patient-authorised health records.

from connect_health import Connect

connect = Connect(api_key="mb_sk_sbx_…", base_url="https://connect.example.org")
flow = connect.patient_flows.create(patient_id="p-1", return_url="https://app.example.org/back")
"""

from connect_health import models, webhooks
from connect_health._version import API_VERSION, __version__
from connect_health.clients import AsyncConnect, Connect
from connect_health.errors import (
    ApiError,
    AuthenticationError,
    Conflict,
    ConnectError,
    EhrFailed,
    InvalidRequest,
    NoAnswer,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerFailed,
    SignatureInvalid,
    UnreadableAnswer,
)
from connect_health.pages import AsyncPages, Page, Pages
from connect_health.returning import Return, parse_return_url

__all__ = [
    "API_VERSION", "ApiError", "AsyncConnect", "AsyncPages", "AuthenticationError", "Conflict", "Connect",
    "ConnectError", "EhrFailed", "InvalidRequest", "NoAnswer", "NotFound", "Page", "Pages", "PermissionDenied",
    "RateLimited", "Return", "ServerFailed", "SignatureInvalid", "UnreadableAnswer", "__version__", "models",
    "parse_return_url", "webhooks",
]  # fmt: skip
