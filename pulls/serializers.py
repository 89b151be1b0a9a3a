"""Bodies of the records and pulls API (contract 5)."""

import json

from rest_framework import serializers

from connect.organizations.fields import InstantField
from connect.organizations.models import Patient
from connect.pagination import PageQuery
from pulls.models import Pull, Record
from pulls.outcome import progress_of
from pulls.read import RecordPage, Selection, body_of
from pulls.records import data_key

instant = InstantField().to_representation


class SelectionQuery(serializers.Serializer):
    """Filters of records."""

    type = serializers.CharField(required=False, max_length=2000)
    since = serializers.DateTimeField(required=False)
    source = serializers.CharField(required=False, max_length=40)
    changes = serializers.BooleanField(required=False, default=False)

    def validate_type(self, value):
        types = [name.strip() for name in value.split(",") if name.strip()]
        for name in types:
            if not name.isascii() or not name.isalnum() or not name[0].isupper():
                raise serializers.ValidationError("FHIR resource types, separated by commas: Observation,Condition")
        return tuple(types)


class RecordsQuery(SelectionQuery):
    """Filters and place of a page of records."""

    count = serializers.IntegerField(required=False, min_value=1, max_value=100, default=100)
    starting_after = serializers.CharField(required=False, max_length=600)
    ending_before = serializers.CharField(required=False, max_length=600)

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


def _item(patient: Patient, record: Record, key: bytes, changes: bool) -> bytes:
    told = {"source": record.source_id}
    if changes:
        told |= {"change": record.change, "landed_at": instant(record.landed_at), "pull_id": record.pull_id}
    head = json.dumps(told, separators=(",", ":"))[:-1].encode()
    return head + b',"resource":' + body_of(patient, record, key) + b"}"


class PullQuery(PageQuery):
    """Filters of `GET /pulls`."""

    status = serializers.ChoiceField(choices=Pull.Status.values, required=False)
    patient_id = serializers.CharField(required=False, max_length=200)


class ProgressBody(serializers.Serializer):
    """One type's progress."""

    type = serializers.CharField()
    status = serializers.CharField()
    fetched = serializers.IntegerField()
    expected = serializers.IntegerField(allow_null=True)
    stored = serializers.IntegerField()
    error = serializers.CharField(allow_null=True)


class PullBody(serializers.Serializer):
    """The Pull of contract 5.1. `connection_id` is the source's id (contract 1.3)."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    patient_id = serializers.CharField(source="patient.patient_id")
    connection_id = serializers.CharField(source="connection.source_id")
    status = serializers.CharField()
    trigger = serializers.CharField()
    progress = serializers.SerializerMethodField()
    total = serializers.IntegerField()
    errors = serializers.IntegerField()
    started_at = InstantField(allow_null=True)
    finished_at = InstantField(allow_null=True)
    duration_ms = serializers.IntegerField(allow_null=True)

    def get_resource_type(self, pull) -> str:
        return "pull"

    def get_progress(self, pull) -> list[dict]:
        return ProgressBody(progress_of(pull), many=True).data
