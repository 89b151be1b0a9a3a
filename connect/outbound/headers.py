"""Request headers that cannot be abused, and `Retry-After` read both ways."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from connect.outbound.errors import OutboundError

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
MAX_RETRY_AFTER_SECONDS = 24 * 3600


def checked(method: str, headers: Mapping[str, str]) -> dict[str, str]:
    """A copy of `headers` fit to send; raises OutboundError("bad_header") on line breaks, controls or odd names."""
    if not TOKEN.match(method):
        raise OutboundError("bad_header")
    for name, value in headers.items():
        if not TOKEN.match(name) or not VALUE.match(value):
            raise OutboundError("bad_header")
    return dict(headers)


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that may go to another origin."""
    return {name: value for name, value in headers.items() if name.lower() not in CREDENTIALS}


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """The wait a server asks for by `Retry-After` (RFC 9110 10.2.3), seconds or HTTP-date; None if it asks for none.

    At least 0 and at most a day, so that a portal's typing error cannot park work for ever.
    """
    text = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        seconds = float(text)
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
