"""Pages for integrators: the API's document, its reference page, the error codes."""

import functools
import json

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.views import APIView

from connect.docs.error_pages import PAGES

MAX_AGE_SECONDS = 300


@functools.lru_cache(maxsize=4)
def openapi_file(base_url: str) -> bytes:
    """`/openapi.json` as bytes: the same for as long as this process runs at this address."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class OpenApiFile(APIView):
    """`/openapi.json`"""

    authentication_classes = ()
    http_method_names = ("get", "head")

    @extend_schema(exclude=True)
    def get(self, request):
        """The API's own description, OpenAPI 3.1."""
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_SECONDS}"}
        return HttpResponse(openapi_file(settings.BASE_URL), content_type="application/json", headers=headers)


class Reference(SpectacularSwaggerSplitView):
    """`/docs/api/`: the reference, where a key can be tried."""

    authentication_classes = ()
    template_name = "docs/api.html"
    title = "API reference · Connect"


@require_GET
def error_page(request, code):
    """`/docs/errors/{code}`: what the code means and what to do."""
    if code not in PAGES:
        raise Http404
    return render(request, "docs/error.html", {"page": PAGES[code]})


@require_GET
def error_index(request):
    """`/docs/errors/`: every code."""
    return render(request, "docs/errors.html", {"pages": sorted(PAGES.values(), key=lambda page: page.error.status)})
