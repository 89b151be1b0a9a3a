"""Fields that several bodies share: instants, patient ids, metadata."""

import json

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from connect import ids

MAX_KEYS = 50
MAX_BYTES = 16 * 1024


class InstantField(serializers.DateTimeField):
    """ISO 8601 UTC with milliseconds (contract 1)."""

    def to_representation(self, value):
        return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


NOT_OURS = "|".join(ids.RESERVED_PATIENT_PREFIXES)


@extend_schema_field(
    {"type": "string", "minLength": 1, "maxLength": 200, "pattern": f"^(?!{NOT_OURS})[^\\u0000]+$"}
)  # fmt: skip
class PatientIdField(serializers.CharField):
    """The integrator's own id, kept as it is: 1..200 characters that do not look like one of our ids (contract 1.3)."""

    def __init__(self, **kwargs):
        super().__init__(min_length=1, max_length=200, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data):
        value = super().to_internal_value(data)
        if value.startswith(ids.RESERVED_PATIENT_PREFIXES):
            raise serializers.ValidationError(f"May not start with {', '.join(ids.RESERVED_PATIENT_PREFIXES)}")
        if "\x00" in value:
            raise serializers.ValidationError("May not hold a NUL character")
        return value


@extend_schema_field({"type": "object", "maxProperties": MAX_KEYS, "additionalProperties": True})
class MetadataField(serializers.JSONField):
    """A JSON object of at most 50 keys and 16 KiB; replaced whole, never merged (contract 2)."""

    def to_internal_value(self, data):
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            raise serializers.ValidationError("A JSON object")
        if len(value) > MAX_KEYS:
            raise serializers.ValidationError(f"At most {MAX_KEYS} keys")
        try:
            encoded = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except ValueError:
            raise serializers.ValidationError("Numbers must be within the range of a double") from None
        if len(encoded.encode()) > MAX_BYTES:
            raise serializers.ValidationError("At most 16 KiB as JSON")
        if "\\u0000" in encoded:
            raise serializers.ValidationError("May not hold a NUL character")
        return value
