"""Pages for integrators: the error codes."""

from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_GET

from connect.docs.error_pages import PAGES


@require_GET
def error_page(request, code):
    """`/docs/errors/{code}`: what the code means and what to do."""
    if code not in PAGES:
        raise Http404
    return render(request, "docs/error.html", {"page": PAGES[code], "pages": PAGES.values()})


@require_GET
def error_index(request):
    """`/docs/errors/`: every code."""
    return render(request, "docs/errors.html", {"pages": PAGES.values()})
