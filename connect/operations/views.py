"""`/health`, `/health/ready` and `/metrics`."""

from django.http import HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema_serializer
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.exposition import generate_latest
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from connect.fields import ConstantField
from connect.openapi import operation
from connect.operations import alerts, health, metrics
from connect.operations.inside import inside_only
from connect.operations.tasks import watch
from connect.organizations.fields import InstantField


@extend_schema_serializer(component_name="Health")
class HealthBody(serializers.Serializer):
    """What `/health` answers."""

    ok = ConstantField(True, help_text="Always true.")
    server_time = InstantField(help_text="This server's clock.")


class Health(APIView):
    """`/health`"""

    tag = "Health"
    authentication_classes = ()
    http_method_names = ("get", "head")

    @operation("get_health", answers=HealthBody)
    def get(self, request):
        """Tell whether this server answers.

        Needs no key and touches nothing.
        """
        body = HealthBody({"server_time": timezone.now()})
        return Response(body.data, headers={"Cache-Control": "no-store"})


@require_safe
@never_cache
@inside_only
def ready(request):
    """`GET /health/ready`: 200 when everything works, else 503 with what is wrong."""
    found = health.findings()
    if found[0].ok:
        alerts.look_instead(watch)
    ok = all(finding.ok for finding in found)
    checks = {finding.check: finding.problem or "ok" for finding in found}
    return JsonResponse({"ok": ok, "checks": checks}, status=200 if ok else 503)


@require_safe
@never_cache
@inside_only
def prometheus(request):
    """`GET /metrics`: Prometheus text."""
    alerts.look_instead(watch)
    return HttpResponse(generate_latest(metrics.registry()), content_type=CONTENT_TYPE_LATEST)
