"""Bodies of the catalogue and of connections (contract 2 and 4). A source is the API's `connection_id`."""

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from connect.fields import ConstantField, OneOfField, WholeNumberField
from connect.organizations.fields import InstantField
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from portals.models import Connection, Source

YEAR_SECONDS = 366 * 24 * 3600


class SourceQuery(PageQuery):
    """Filters of `GET /connections`; `state` and `postal_code` bring near ones first."""

    q = serializers.CharField(
        required=False, max_length=200, trim_whitespace=True,
        help_text="What a patient types. Forgives typos, word order, missing words, abbreviations and accents.",
    )  # fmt: skip
    type = serializers.CharField(required=False, max_length=60, help_text="The vendor: `epic`, `cerner`, `athena`, …")
    state = serializers.CharField(required=False, max_length=40, help_text="Brings sources in this state first.")
    postal_code = serializers.CharField(required=False, max_length=12, help_text="Brings sources near it first.")


@extend_schema_serializer(component_name="SourceLocation")
class LocationBody(serializers.Serializer):
    """Where a source's patients are."""

    city = serializers.CharField(allow_blank=True, help_text="City.")
    state = serializers.CharField(allow_blank=True, help_text="State.")
    postal_code = serializers.CharField(allow_blank=True, help_text="Postal code.")

    def to_representation(self, location):
        return {name: location.get(name) or "" for name in self.fields}


@extend_schema_serializer(component_name="FhirSource")
class SourceBody(serializers.Serializer):
    """A portal that a patient can connect. Its id is what every field called `connection_id` holds."""

    id = serializers.CharField(help_text="`fhirsrc_…`, the same whenever the directory is imported again.")
    resource_type = ConstantField("fhir_source", help_text="What this object is.")
    name = serializers.CharField(help_text="What patients know it by.")
    type = serializers.CharField(source="vendor", allow_null=True, help_text="The vendor: `epic`, `cerner`, …")
    fhir_base_url = serializers.CharField(help_text="Its FHIR R4 base URL.")
    logo_url = serializers.CharField(allow_null=True, help_text="Its logo.")
    portal_url = serializers.CharField(allow_null=True, help_text="Its patient portal's website.")
    brand = serializers.CharField(allow_null=True, help_text="The organisation it belongs to.")
    aliases = serializers.ListField(child=serializers.CharField(), help_text="Other names it is known by.")
    locations = LocationBody(many=True, help_text="Where it is.")
    status = OneOfField(Source.Status.values, help_text="How its portal has fared lately.")


@extend_schema_serializer(component_name="Connection")
class ConnectionBody(serializers.Serializer):
    """A patient's grant at a source. `connection_id` is the source's id, `id` the connection's own."""

    id = serializers.CharField(help_text="`conn_…`: the same when the patient connects this source again.")
    resource_type = ConstantField("connection", help_text="What this object is.")
    patient_flow_id = serializers.CharField(allow_null=True, help_text="The flow that granted or renewed it last.")
    connection_id = serializers.CharField(source="source_id", help_text="The source's id (`fhirsrc_…`).")
    status = OneOfField(Connection.Status.values, help_text="`active` is the only “connected”.")
    scopes = serializers.ListField(child=serializers.CharField(), help_text="The SMART scopes granted.")
    failure_code = serializers.CharField(allow_null=True, help_text="Why access failed or ended, as a code of ours.")
    failure_at = InstantField(allow_null=True, help_text="When it failed or ended.")
    created_at = InstantField(help_text="When it was made.")
    updated_at = InstantField(help_text="When it last changed.")
    renewable = serializers.BooleanField(
        allow_null=True, help_text="Whether access can outlive the first token; null while that is not known."
    )
    scopes_missing = serializers.ListField(child=serializers.CharField(), help_text="Asked for and not granted.")
    access_ends_at = InstantField(allow_null=True, help_text="A known end of consent.")
    last_pulled_at = InstantField(allow_null=True, help_text="When records were last fetched.")
    next_pull_at = InstantField(allow_null=True, help_text="When they are fetched next.")


@extend_schema_serializer(component_name="AdvanceConnection")
class Advance(StrictSerializer):
    """The body of `POST /sandbox/connections/{id}/advance`."""

    seconds = WholeNumberField(1, YEAR_SECONDS, help_text="How much time to live through.")
