"""Connect, and beside it the views it is measured against: the least that Django and DRF can do in the same server."""

import functools

from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import include, path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from portals.models import MissingPortal


class BareBody(serializers.Serializer):
    name = serializers.CharField(max_length=200)


class BareInsert(APIView):
    """Validate one field, insert one row, answer it."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        body = BareBody(data=request.data)
        body.is_valid(raise_exception=True)
        row = MissingPortal.objects.create(environment="sandbox", **body.validated_data)
        return Response({"id": row.pk, "name": row.name})


def bare_redirect(request):
    return HttpResponseRedirect("https://portal.example.org/authorize?state=x")


@functools.cache
def kept(name: str) -> bytes:
    """What the bench laid down to be served bare."""
    return (settings.DATA_DIR / name).read_bytes()


def bare_bytes(request, name):
    """The same bytes as our answer, ready made."""
    return HttpResponse(kept(name), content_type="application/json")


def bare_stream(request, name):
    """The same bytes in pieces of 64 KiB."""
    body = kept(name)
    pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
    return StreamingHttpResponse(pieces, content_type="application/fhir+ndjson")


urlpatterns = [
    path("bare/insert", BareInsert.as_view()),
    path("bare/redirect", bare_redirect),
    path("bare/bytes/<str:name>", bare_bytes),
    path("bare/stream/<str:name>", bare_stream),
    path("", include("connect.urls")),
]
