"""Bodies of the records and pulls API (contract 5)."""

import functools
import json

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from connect.fields import ConstantField, OneOfField, WholeNumberField
from connect.organizations.fields import InstantField
from connect.organizations.models import Patient
from connect.pagination import PageQuery
from pulls.models import Pull, Search
from pulls.outcome import progress_of
from pulls.read import RecordPage, Selection, StoredRecord, body_of
from pulls.records import data_key

instant = InstantField().to_representation


TYPES = r"[A-Z][A-Za-z0-9]*( *, *[A-Z][A-Za-z0-9]*)*"


@extend_schema_field({"type": "string", "maxLength": 2000, "pattern": f"^{TYPES}$"})
class TypesField(serializers.CharField):
    """FHIR resource types, separated by commas."""


class SelectionQuery(serializers.Serializer):
    """Filters of records."""

    type = TypesField(
        required=False, max_length=2000, help_text="FHIR resource types, separated by commas: `Observation,Condition`."
    )
    since = serializers.DateTimeField(required=False, help_text="Only what changed here after this time.")
    source = serializers.CharField(
        required=False, max_length=40, help_text="Only records of this source (`fhirsrc_…`)."
    )
    changes = serializers.BooleanField(
        required=False, default=False,
        help_text="`true` adds to each item what became of it, when it landed, and by which pull; and shows gone ones.",
    )  # fmt: skip

    def validate_type(self, value):
        types = [name.strip() for name in value.split(",") if name.strip()]
        for name in types:
            if not name.isascii() or not name.isalnum() or not name[0].isupper():
                raise serializers.ValidationError("FHIR resource types, separated by commas: Observation,Condition")
        return tuple(types)


class RecordsQuery(SelectionQuery):
    """Filters and place of a page of records."""

    count = WholeNumberField(1, 100, required=False, default=100, help_text="Items a page.")
    starting_after = serializers.CharField(
        required=False, max_length=600, help_text="A `next_cursor`: keep your last one, and you see every change once."
    )
    ending_before = serializers.CharField(required=False, max_length=600, help_text="A `previous_cursor`.")

    def validate(self, data):
        if "starting_after" in data and "ending_before" in data:
            raise serializers.ValidationError({"ending_before": ["Not together with starting_after"]})
        return data


def selection_of(query: dict) -> Selection:
    return Selection(query.get("type", ()), query.get("source"), query.get("since"), query.get("changes", False))


def records_body(patient: Patient, page: RecordPage, selection: Selection) -> bytes:
    """The list envelope as bytes: resources are spliced in as they were sent, never parsed."""
    key = data_key(patient)
    items = [_item(patient, record, key, selection.changes) for record in page.records]
    ends = {
        "has_more": page.has_more,
        "next_cursor": page.next_cursor,
        "previous_cursor": page.previous_cursor,
        "patient_id": patient.patient_id,
    }
    tail = json.dumps(ends, separators=(",", ":"))[1:]
    return b'{"resource_type":"list","data":[' + b",".join(items) + b"]," + tail.encode()


def _item(patient: Patient, record: StoredRecord, key: bytes, changes: bool) -> bytes:
    told = ()
    if changes:
        told = (("change", record.change), ("landed_at", instant(record.landed_at)), ("pull_id", record.pull_id))
    return _head(record.source_id, told) + body_of(patient, record, key) + b"}"


@functools.lru_cache(maxsize=1024)
def _head(source_id: str, told: tuple[tuple[str, str], ...]) -> bytes:
    """An item up to its resource: the same for most of a page."""
    return json.dumps({"source": source_id, **dict(told)}, separators=(",", ":"))[:-1].encode() + b',"resource":'


class PullQuery(PageQuery):
    """Filters of `GET /pulls`."""

    status = OneOfField(Pull.Status.values, required=False, help_text="Only pulls of this status.")
    patient_id = serializers.CharField(required=False, max_length=200, help_text="Only this patient's pulls.")


@extend_schema_serializer(component_name="PullProgress")
class ProgressBody(serializers.Serializer):
    """One resource type's progress."""

    type = serializers.CharField(help_text="The FHIR resource type.")
    status = OneOfField(Search.Status.values, help_text="How far it has come.")
    fetched = serializers.IntegerField(help_text="Resources seen.")
    expected = serializers.IntegerField(allow_null=True, help_text="What the portal announced, where it did.")
    stored = serializers.IntegerField(help_text="Resources that were new or changed.")
    error = serializers.CharField(allow_null=True, help_text="Why it could not be had, as a word of ours.")


@extend_schema_serializer(component_name="Pull")
class PullBody(serializers.Serializer):
    """One run that brings a connection's records here. `connection_id` is the source's id."""

    id = serializers.CharField(help_text="`pull_…`")
    resource_type = ConstantField("pull", help_text="What this object is.")
    patient_id = serializers.CharField(source="patient.patient_id", help_text="Your own id of the patient.")
    connection_id = serializers.CharField(source="connection.source_id", help_text="The source's id (`fhirsrc_…`).")
    status = OneOfField(Pull.Status.values, help_text="`waiting` goes on by itself; `partial` is tried again.")
    trigger = OneOfField(Pull.Trigger.values, help_text="Why it runs.")
    retry_of = serializers.CharField(
        source="retry_of_id", allow_null=True,
        help_text="The pull whose gaps it asks for again: `progress` then has those types only.",
    )  # fmt: skip
    progress = serializers.SerializerMethodField(help_text="One entry a resource type.")
    total = serializers.IntegerField(help_text="Resources that were new or changed.")
    errors = serializers.IntegerField(help_text="Resource types that could not be had.")
    started_at = InstantField(allow_null=True, help_text="When it began.")
    finished_at = InstantField(allow_null=True, help_text="When it was settled.")
    duration_ms = serializers.IntegerField(allow_null=True, help_text="How long it took, in milliseconds.")

    @extend_schema_field(ProgressBody(many=True))
    def get_progress(self, pull) -> list[dict]:
        return ProgressBody(progress_of(pull), many=True).data
