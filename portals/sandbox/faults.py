"""What portals get wrong, on purpose: delays, outages, limits, broken pages. Each asks its variant if it applies."""

import time

from django.http import HttpResponse
from django.utils import timezone

from portals.sandbox.models import Grant, Outage, Tally, digest
from portals.sandbox.outcomes import Refusal
from portals.sandbox.variants import Variant


def delay(variant: Variant) -> None:
    """Take as long as this portal takes."""
    if variant.delay_seconds:
        time.sleep(variant.delay_seconds)


def seconds_down(variant: Variant, grant: Grant | None = None) -> int:
    """How much longer the portal is down for this grant (for everybody, without one); 0 when it is up."""
    if variant.outage_after is None:
        return 0
    return Outage.seconds_left(variant.slug, grant)


def down_page(seconds: int) -> HttpResponse:
    """What a gateway says while the portal behind it is down: a page, not JSON."""
    body = "<html><body><h1>503 Service Unavailable</h1><p>Down for maintenance.</p></body></html>"
    return HttpResponse(body, status=503, headers={"Retry-After": str(seconds)})


def count_request(variant: Variant, grant: Grant) -> None:
    """Count a FHIR request against the variant's rate limit and its planned outage. Raises Refusal 429."""
    if variant.rate_limit:
        _limit(variant.rate_limit, grant)
    if variant.outage_after is not None and Tally.add(f"outage:{grant.pk}") == variant.outage_after:
        Outage.start(variant.slug, seconds=variant.outage_seconds, grant=grant)


def break_page(variant: Variant, grant: Grant, *, type_: str, page: int, address: str) -> None:
    """Fail a page of a search (pages count from 1; `address` tells it from others). Raises Refusal 500 or 503."""
    if variant.broken_pages_of == type_ and page % 2 == 0:
        raise Refusal(500, "exception", f"Page {page} of this search cannot be had.")
    if variant.flaky and Tally.add(f"flaky:{grant.pk}:{digest(address)}") == 1:
        raise Refusal(503, "transient", "Busy. Try again.", {"Retry-After": str(variant.retry_after_seconds)})


def break_document(variant: Variant, position: int) -> None:
    """Fail a Binary by its position among its patient's (0 is the first). Raises Refusal 404 or 500."""
    if position < variant.broken_documents:
        if position % 2 == 0:
            raise Refusal(404, "not-found", "This document is listed but not there.")
        raise Refusal(500, "exception", "This document cannot be opened.")


def _limit(limit: tuple[int, int], grant: Grant) -> None:
    requests, window = limit
    now = timezone.now().timestamp()
    started = int(now // window) * window
    if Tally.add(f"rate:{grant.pk}:{started}") > requests:
        wait = max(1, int(started + window - now) + 1)
        raise Refusal(429, "throttled", "Too many requests.", {"Retry-After": str(wait)})
