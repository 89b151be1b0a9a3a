"""The same door for boto3 (S3-compatible buckets).

    client = boto3.client("s3", …)
    boto.guard(client, policy=outbound.BUCKET)

botocore hands every request, redirects to other regions included, to whoever answers its `before-send` event: here a
session whose connections are dialled as all others are. The address that was judged is the one connected to, and no
DNS answer given in between is believed.
"""

import time

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSResponse,
)
from botocore.exceptions import BotoCoreError, HTTPClientError, SSLError
from botocore.httpsession import URLLib3Session

from connect.outbound.addresses import current_guard, parse
from connect.outbound.errors import OutboundError
from connect.outbound.policies import Policy
from connect.outbound.pools import Dialled, tls_context
from connect.outbound.sockets import Call, running


class _Connection(Dialled, AWSHTTPConnection):
    """botocore's connection, dialled through the guard."""


class _TLSConnection(Dialled, AWSHTTPSConnection):
    """The same over TLS."""


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class GuardedSession(URLLib3Session):
    """botocore's HTTP session under our rules: addresses, TLS and proxy as the settings say, each call within `policy`."""

    def __init__(self, policy: Policy):
        self.policy, self.rules = policy, current_guard()
        proxies = dict.fromkeys(("http", "https"), self.rules.proxy_url) if self.rules.proxy_url else None
        super().__init__(timeout=(policy.connect_seconds, policy.read_seconds), proxies=proxies)
        self._pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
        self._manager.pool_classes_by_scheme = self._pool_classes_by_scheme

    def _get_ssl_context(self):
        return tls_context(self.rules.ca_bundle)

    def _setup_ssl_cert(self, conn, url, verify) -> None:
        """Nothing: the context checks certificates, always."""

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send it. Raises BotoCoreError: NotCalled where the fault is one of connect.outbound.errors."""
        try:
            parse(request.url, self.rules)
            return self._send(request)
        except OutboundError as error:
            raise NotCalled(reason=error.reason) from error

    def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        with running(Call(self.policy, self.rules, time.monotonic() + self.policy.total_seconds)):
            try:
                return super().send(request)
            except HTTPClientError as error:
                if isinstance(inner := error.kwargs.get("error"), OutboundError):
                    raise inner from None
                raise


class NotCalled(BotoCoreError):
    """The call was not made, or did not come through, for a reason of ours; botocore tries no second time."""

    fmt = "{reason}"


def guard(client, *, policy: Policy) -> None:
    """Have every request of a boto3 client go through the guard."""
    session = GuardedSession(policy)
    client.meta.events.register("before-send", lambda request, **_: session.send(request))


def reason_of(error: BaseException) -> str | None:
    """The slug of connect.outbound.errors inside an exception of botocore's; None where the fault is another's."""
    if isinstance(error, SSLError):
        return "tls"
    return error.kwargs["reason"] if isinstance(error, NotCalled) else None
