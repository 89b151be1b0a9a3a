"""The bodies that are put together as bytes or dicts, as serializers: for the API's document only."""

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from connect.fields import ConstantField, OneOfField
from connect.openapi import page_of
from connect.organizations.fields import InstantField
from portals.models import Connection
from pulls.models import Pull, Record, Search


@extend_schema_field(
    {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string"}},
        "additionalProperties": True,
    }
)
class ResourceField(serializers.DictField):
    """A FHIR resource as its portal sent it."""


@extend_schema_serializer(component_name="Record")
class RecordItem(serializers.Serializer):
    """The latest version of one resource of one source."""

    source = serializers.CharField(help_text="The source's id (`fhirsrc_…`).")
    resource = ResourceField(
        help_text="Byte-faithful JSON as the portal sent it. `Patient` alone gains an `identifier` with your patient_id."
    )
    change = OneOfField(Record.Change.values, required=False, help_text="With `changes=true`: what became of it.")
    landed_at = InstantField(required=False, help_text="With `changes=true`: when this version came here.")
    pull_id = serializers.CharField(required=False, help_text="With `changes=true`: the pull that brought it.")


RecordList = page_of(
    RecordItem,
    "RecordList",
    patient_id=serializers.CharField(help_text="Your own id of the patient."),
    previous_cursor=serializers.CharField(
        allow_null=True, help_text="Send it as `ending_before` for the page before; null on an empty page."
    ),
)


@extend_schema_serializer(component_name="ConnectionCompleteness")
class ConnectionCompletenessBody(serializers.Serializer):
    """What we know of one connection's records."""

    id = serializers.CharField(help_text="The connection's own id (`conn_…`).")
    connection_id = serializers.CharField(help_text="The source's id (`fhirsrc_…`).")
    name = serializers.CharField(help_text="The source's name.")
    status = OneOfField(Connection.Status.values, help_text="The connection's status.")
    last_pull_id = serializers.CharField(allow_null=True, help_text="The last pull that was settled.")
    last_pulled_at = InstantField(allow_null=True, help_text="When records were last fetched.")
    is_complete = serializers.BooleanField(help_text="Whether the last pull got everything it asked for.")
    types_complete = serializers.ListField(
        child=serializers.CharField(), help_text="Types of which we have everything."
    )
    types_lacking = serializers.ListField(child=serializers.CharField(), help_text="Types of which something lacks.")
    sentences = serializers.ListField(
        child=serializers.CharField(), help_text="The same in words to send to a patient."
    )


@extend_schema_serializer(component_name="Completeness")
class CompletenessBody(serializers.Serializer):
    """What we know of a patient's records over all connections."""

    resource_type = ConstantField("completeness", help_text="What this object is.")
    patient_id = serializers.CharField(help_text="Your own id of the patient.")
    connections = ConnectionCompletenessBody(many=True, help_text="Newest first.")


@extend_schema_serializer(component_name="ManifestSearch")
class ManifestSearchBody(serializers.Serializer):
    """One query that was sent, and what it brought."""

    type = serializers.CharField(help_text="The FHIR resource type asked for.")
    query = serializers.CharField(help_text="The query's parameters, without the patient.")
    status = OneOfField(Search.Status.values, help_text="How it ended.")
    pages = serializers.IntegerField(help_text="Pages seen.")
    pages_lost = serializers.ListField(child=serializers.DictField(), help_text="Pages that could not be had, and why.")
    total = serializers.IntegerField(allow_null=True, help_text="What the portal announced.")
    fetched = serializers.IntegerField(help_text="Resources that matched.")
    included = serializers.IntegerField(help_text="Resources that came along with them.")
    kept = serializers.IntegerField(help_text="New or changed.")
    unchanged = serializers.IntegerField(help_text="Already here in this version.")
    unreadable = serializers.IntegerField(help_text="Entries that could not be read.")
    outcomes = serializers.ListField(
        child=serializers.JSONField(), help_text="Codes of the portal's OperationOutcomes."
    )
    error = serializers.CharField(allow_null=True, help_text="Why it failed, as a word of ours.")


@extend_schema_serializer(component_name="RefusedType")
class RefusedTypeBody(serializers.Serializer):
    """A type of which nothing could be had."""

    type = serializers.CharField(help_text="The FHIR resource type.")
    status = OneOfField(Search.Status.values, help_text="Refused, or failed.")
    reason = serializers.CharField(allow_null=True, help_text="Why, as a word of ours.")


@extend_schema_serializer(component_name="TypeVouchedBefore")
class TypeVouchedBeforeBody(serializers.Serializer):
    """A type that a retry did not ask for."""

    type = serializers.CharField(help_text="The FHIR resource type.")
    status = OneOfField(Search.Status.values, help_text="How it ended there.")
    pull_id = serializers.CharField(help_text="The pull whose manifest tells of it.")


@extend_schema_serializer(component_name="ManifestReferences")
class ManifestReferencesBody(serializers.Serializer):
    """What the portal only pointed at."""

    listed = serializers.IntegerField(help_text="References found.")
    fetched = serializers.IntegerField(help_text="Fetched by this pull.")
    held = serializers.IntegerField(help_text="Already here.")
    skipped = serializers.IntegerField(help_text="Not asked for.")
    failed = serializers.IntegerField(help_text="Asked for and not had.")
    reasons = serializers.DictField(child=serializers.IntegerField(), help_text="How many for each reason.")
    lacking = serializers.ListField(child=serializers.DictField(), help_text="Which lack, and why; 500 at most.")


@extend_schema_serializer(component_name="PullManifest")
class ManifestBody(serializers.Serializer):
    """What a pull can vouch for, so that “no allergies” is never mistaken for “allergies refused”."""

    resource_type = ConstantField("pull_manifest", help_text="What this object is.")
    pull_id = serializers.CharField(help_text="The pull's id.")
    connection_id = serializers.CharField(help_text="The source's id (`fhirsrc_…`).")
    fhir_base_url = serializers.CharField(help_text="The source's FHIR base URL.")
    trigger = OneOfField(Pull.Trigger.values, help_text="Why it ran.")
    retry_of = serializers.CharField(allow_null=True, help_text="The pull whose gaps it asked for again.")
    started_at = InstantField(allow_null=True, help_text="When it began.")
    finished_at = InstantField(allow_null=True, help_text="When it was settled.")
    scopes = serializers.ListField(child=serializers.CharField(), help_text="The SMART scopes it had.")
    searches = ManifestSearchBody(many=True, help_text="Every query sent.")
    types_refused = RefusedTypeBody(many=True, help_text="Types of which nothing could be had.")
    types_vouched_before = TypeVouchedBeforeBody(
        many=True, help_text="Of a retry: the types it did not ask for, because an earlier pull answers for them."
    )
    resources_gone = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many of each type were absent from a complete answer."
    )
    references = ManifestReferencesBody(help_text="Practitioners, organisations, locations, medications.")
    documents = ManifestReferencesBody(help_text="Documents and their content.")
