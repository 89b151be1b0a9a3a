"""One GET at a portal, judged by what to do next (smart-fhir.md 4.5, "Resource server")."""

from dataclasses import dataclass
from enum import StrEnum

from connect import outbound

FHIR_JSON = "application/fhir+json"
PLAIN_JSON = "application/json"
# Oracle answers 406 with an empty body unless plain JSON is acceptable too.
ACCEPT = f"{FHIR_JSON}, {PLAIN_JSON};q=0.9"


class Verdict(StrEnum):
    """What an answer means for the search it belongs to."""

    OK = "ok"
    UNAUTHORIZED = "unauthorized"  # 401: ask for a fresh token once
    REFUSED = "refused"  # 403: not granted; skip this type
    MISSING = "missing"  # 404, 410: not offered, or gone
    UNACCEPTABLE = "unacceptable"  # 400, 406, 422 …: this query is not understood; try another
    BUSY = "busy"  # 429, or 503 with Retry-After: not before then
    UNAVAILABLE = "unavailable"  # 5xx, time-outs, resets: try again
    TOO_LARGE = "too_large"
    UNSAFE = "unsafe"  # TLS, addresses, redirects elsewhere: never followed


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is empty unless the verdict is OK, REFUSED or UNACCEPTABLE."""

    verdict: Verdict
    status: int | None
    body: bytes = b""
    content_type: str = ""
    retry_after_seconds: float | None = None
    reason: str = ""
    elapsed_ms: int = 0


def get(url: str, token: str | None, *, accept: str = ACCEPT, policy: outbound.Policy = outbound.PORTAL) -> Answer:
    """GET `url` with the connection's access token; never raises for what a portal does."""
    headers = {"Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = outbound.request("GET", url, headers=headers, policy=policy, route="fhir")
    except outbound.OutboundError as error:
        return Answer(_verdict_of_fault(error.reason), None, reason=error.reason)
    verdict = _verdict_of_status(answer.status, answer.headers)
    keep = verdict in (Verdict.OK, Verdict.REFUSED, Verdict.UNACCEPTABLE)
    return Answer(
        verdict, answer.status, answer.body if keep else b"", answer.headers.get("content-type", ""),
        outbound.retry_after_seconds(answer.headers), f"http_{answer.status}", int(answer.elapsed_ms),
    )  # fmt: skip


def _verdict_of_fault(reason: str) -> Verdict:
    if reason == "too_large":
        return Verdict.TOO_LARGE
    if reason in ("tls", "address_not_allowed", "redirect", "bad_url", "insecure", "bad_header"):
        return Verdict.UNSAFE
    return Verdict.UNAVAILABLE


def _verdict_of_status(status: int, headers) -> Verdict:
    if 200 <= status < 300:
        return Verdict.OK
    if status == 429 or (status == 503 and outbound.retry_after_seconds(headers) is not None):
        return Verdict.BUSY
    if status >= 500 or status in (408, 425):
        return Verdict.UNAVAILABLE
    return {401: Verdict.UNAUTHORIZED, 403: Verdict.REFUSED, 404: Verdict.MISSING, 410: Verdict.MISSING}.get(
        status, Verdict.UNSAFE if 300 <= status < 400 else Verdict.UNACCEPTABLE
    )
