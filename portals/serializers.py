"""Bodies of the catalogue and of connections (contract 2 and 4). A source is the API's `connection_id`."""

from rest_framework import serializers

from connect.organizations.fields import InstantField
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery

YEAR_SECONDS = 366 * 24 * 3600


class SourceQuery(PageQuery):
    """Filters of `GET /connections`; `state` and `postal_code` bring near ones first."""

    q = serializers.CharField(required=False, max_length=200, trim_whitespace=True)
    type = serializers.CharField(required=False, max_length=60)
    state = serializers.CharField(required=False, max_length=40)
    postal_code = serializers.CharField(required=False, max_length=12)


class LocationBody(serializers.Serializer):
    """Where a source's patients are."""

    city = serializers.CharField(allow_blank=True)
    state = serializers.CharField(allow_blank=True)
    postal_code = serializers.CharField(allow_blank=True)

    def to_representation(self, location):
        return {name: location.get(name) or "" for name in self.fields}


class SourceBody(serializers.Serializer):
    """The FhirSource of contract 4."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    name = serializers.CharField()
    type = serializers.CharField(source="vendor", allow_null=True)
    fhir_base_url = serializers.CharField()
    logo_url = serializers.CharField(allow_null=True)
    portal_url = serializers.CharField(allow_null=True)
    brand = serializers.CharField(allow_null=True)
    aliases = serializers.ListField(child=serializers.CharField())
    locations = LocationBody(many=True)
    status = serializers.CharField()

    def get_resource_type(self, source) -> str:
        return "fhir_source"


class ConnectionBody(serializers.Serializer):
    """A patient's grant at a source (contract 2). `connection_id` is the source's id (contract 1.3)."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    patient_flow_id = serializers.CharField(allow_null=True)
    connection_id = serializers.CharField(source="source_id")
    status = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    failure_code = serializers.CharField(allow_null=True)
    failure_at = InstantField(allow_null=True)
    created_at = InstantField()
    updated_at = InstantField()
    renewable = serializers.BooleanField(allow_null=True)
    scopes_missing = serializers.ListField(child=serializers.CharField())
    access_ends_at = InstantField(allow_null=True)
    last_pulled_at = InstantField(allow_null=True)
    next_pull_at = InstantField(allow_null=True)

    def get_resource_type(self, connection) -> str:
        return "connection"


class Advance(StrictSerializer):
    """The body of `POST /sandbox/connections/{id}/advance`."""

    seconds = serializers.IntegerField(min_value=1, max_value=YEAR_SECONDS)
