"""The same door for libraries that speak `requests` (requests-oauthlib)."""

from io import BytesIO

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connect.outbound.client import request
from connect.outbound.policies import Policy


class GuardedAdapter(BaseAdapter):
    """Mount on "https://" and "http://" of a session: its calls obey `policy`, whatever time-out or `verify` they ask.

    OutboundError comes through unwrapped, so that callers still learn whether anything was sent.
    """

    def __init__(self, policy: Policy, *, route: str | None = None):
        super().__init__()
        self.policy, self.route = policy, route

    def send(self, request_, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        """Send a prepared request; returns a requests.Response already read."""
        body = request_.body.encode() if isinstance(request_.body, str) else request_.body
        headers = {name: _text(value) for name, value in request_.headers.items() if name.lower() != "content-length"}
        answer = request(
            request_.method, request_.url, headers=headers, body=body, policy=self.policy, route=self.route
        )
        return _as_requests_response(request_, answer)

    def close(self):
        """Nothing to close: connections belong to the process."""


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _as_requests_response(request_, answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.raw = BytesIO(answer.body)
    response.encoding = "utf-8"
    response.url = answer.url
    response.request = request_
    return response
