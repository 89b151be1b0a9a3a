"""What can go wrong on the way out: one exception, told apart by `reason`."""

TRANSIENT = {
    "dns": "the name could not be resolved",
    "refused": "nothing listens there, or the network is unreachable",
    "connect_timeout": "no connection in time",
    "busy": "too many calls to this host are running in this process",
    "proxy": "the outbound proxy failed",
    "read_timeout": "connected, but silent for too long",
    "deadline": "the whole call took too long",
    "reset": "the other side hung up",
}
LASTING = {
    "bad_url": "the URL is not one we would call",
    "bad_header": "a method or header holds characters that do not belong there",
    "insecure": "plain http is not allowed",
    "address_not_allowed": "the address is private, local or reserved",
    "tls": "the TLS handshake or certificate check failed",
    "too_large": "the answer is larger than allowed",
    "redirect": "redirected to where this call must not follow",
    "bad_answer": "the answer is not valid HTTP or cannot be decompressed",
}
REASONS = TRANSIENT | LASTING
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})


class OutboundError(Exception):
    """A call that brought no usable answer.

    reason: a slug of REASONS. sent: whether any of the request may have reached the server. retry_safe: whether
    the same request may be sent again without doing anything twice. The message never holds a URL, header or body.
    """

    def __init__(self, reason: str, *, sent: bool = False, method: str = "", host: str = "", detail: str = ""):
        self.reason = reason
        self.sent = sent
        self.host = host
        self.detail = detail or REASONS[reason]
        self.retry_safe = reason in TRANSIENT and (not sent or method in IDEMPOTENT)
        super().__init__(f"{reason}: {self.detail}")
