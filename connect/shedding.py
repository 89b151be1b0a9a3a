"""Shedding load: when every thread waits for something slow, further requests are told at once to come back.

A web process has WEB_THREADS threads. All but SPARE of them may work at a time; the rest answer whoever comes meanwhile, so
that the queue in front of the process never grows, a caller never waits for an answer that comes too late, and `/health`
still says that the process lives.
"""

import threading

from django.conf import settings
from django.http import HttpResponse

from connect.error_answers import json_response
from connect.errors import Throttled

SPARE = 2
PATIENCE_SECONDS = 0.25
RETRY_AFTER_SECONDS = 2
ALWAYS_ANSWERED = ("/health", "/metrics", "/static/")
PAGES = ("/c/", "/my/", "/oauth/", "/admin/")
BUSY_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>One moment</title><meta http-equiv=refresh content=3>"
    "<meta name=viewport content='width=device-width'><h1>One moment, please</h1><p>Many people are here right now. "
    "This page tries again by itself.</p><p lang=es>Un momento, por favor. Esta página lo intenta de nuevo sola.</p></html>"
)


class SheddingMiddleware:
    """Answers 429 (API) or 503 (pages), both with `Retry-After`, instead of queueing without end."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.places = threading.BoundedSemaphore(max(1, settings.WEB_THREADS - SPARE))
        self.is_full = False

    def __call__(self, request):
        if request.path.startswith(ALWAYS_ANSWERED):
            return self.get_response(request)
        if not self._take_place():
            return busy(request)
        try:
            return self.get_response(request)
        finally:
            self.places.release()

    def _take_place(self) -> bool:
        """A place, after a moment's wait; no wait while the last one was in vain."""
        taken = self.places.acquire(timeout=0.0 if self.is_full else PATIENCE_SECONDS)
        self.is_full = not taken
        return taken


def busy(request) -> HttpResponse:
    """For clients the error they know to repeat, for people a page that repeats itself (a form is sent again by hand)."""
    if request.path.startswith(PAGES):
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
        return HttpResponse(BUSY_PAGE, status=503, headers=headers)
    return json_response(Throttled(RETRY_AFTER_SECONDS, "The server is busy: nothing was done, try again"), request)
