"""Bodies of the exports API (contract 5.2)."""

from rest_framework import serializers

from connect import outbound
from connect.organizations.fields import InstantField
from connect.organizations.views import StrictSerializer
from connect.pagination import PageQuery
from pulls.exports.models import Destination, Export
from pulls.exports.stores.folder import NAME


class CallableUrlField(serializers.CharField):
    """An address that may be called: public https, unless local development is allowed by a setting."""

    def to_internal_value(self, data):
        value = super().to_internal_value(data)
        try:
            outbound.check_url(value, resolve=False)
        except outbound.OutboundError as error:
            raise serializers.ValidationError(f"Not an address we may call: {error.reason}") from None
        return value


class S3Settings(StrictSerializer):
    bucket = serializers.RegexField(r"\A[A-Za-z0-9._-]{1,255}\Z", error_messages={"invalid": "A bucket's name"})
    region = serializers.RegexField(r"\A[a-z0-9-]{1,40}\Z", required=False)
    endpoint_url = CallableUrlField(required=False, max_length=500)
    prefix = serializers.RegexField(r"\A[A-Za-z0-9._/=-]{0,200}\Z", required=False)
    compress = serializers.BooleanField(default=True)


class FhirSettings(StrictSerializer):
    base_url = CallableUrlField(max_length=500)


class FolderSettings(StrictSerializer):
    folder = serializers.RegexField(NAME, error_messages={"invalid": "A name of letters, digits, dots and dashes"})
    compress = serializers.BooleanField(default=True)


class S3Credentials(StrictSerializer):
    access_key_id = serializers.CharField(max_length=200)
    secret_access_key = serializers.CharField(max_length=300)
    session_token = serializers.CharField(max_length=4000, required=False)


class FhirCredentials(StrictSerializer):
    token = serializers.CharField(max_length=8000, required=False)
    username = serializers.CharField(max_length=200, required=False)
    password = serializers.CharField(max_length=300, required=False)


class NoCredentials(StrictSerializer):
    pass


SETTINGS = {"s3": S3Settings, "fhir": FhirSettings, "folder": FolderSettings}
CREDENTIALS = {"s3": S3Credentials, "fhir": FhirCredentials, "folder": NoCredentials}


def checked(kind: str, settings, credentials) -> tuple[dict, dict]:
    """Settings and credentials of a kind, checked field by field: errors name `settings.bucket` and the like."""
    found = {}
    for name, value, known in (("settings", settings, SETTINGS), ("credentials", credentials, CREDENTIALS)):
        body = known[kind](data=value)
        if not body.is_valid():
            raise serializers.ValidationError({name: body.errors})
        found[name] = dict(body.validated_data)
    return found["settings"], found["credentials"]


class NewDestination(StrictSerializer):
    """The body of `POST /export-destinations`."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Destination.Kind.values)
    settings = serializers.JSONField()
    credentials = serializers.JSONField(required=False, default=dict)
    enabled = serializers.BooleanField(default=True)

    def validate(self, data):
        data["settings"], data["credentials"] = checked(data["kind"], data["settings"], data["credentials"])
        return data


class DestinationChanges(StrictSerializer):
    """The body of `PATCH /export-destinations/{id}`; its context holds the destination."""

    name = serializers.CharField(max_length=120, required=False)
    settings = serializers.JSONField(required=False)
    credentials = serializers.JSONField(required=False)
    enabled = serializers.BooleanField(required=False)

    def validate(self, data):
        if "settings" in data or "credentials" in data:
            destination = self.context["destination"]
            data["settings"], data["credentials"] = checked(
                destination.kind, data.get("settings", destination.settings),
                data.get("credentials", destination.credentials),
            )  # fmt: skip
        return data


class DestinationBody(serializers.Serializer):
    """An export destination; never its credentials."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    name = serializers.CharField()
    kind = serializers.CharField()
    settings = serializers.JSONField()
    enabled = serializers.BooleanField()
    complete_until = InstantField(allow_null=True)
    created_at = InstantField()
    updated_at = InstantField()

    def get_resource_type(self, destination) -> str:
        return "export_destination"


class ExportQuery(PageQuery):
    """Filters of `GET /exports`."""

    status = serializers.ChoiceField(choices=Export.Status.values, required=False)
    destination_id = serializers.CharField(required=False, max_length=40)


class NewExport(StrictSerializer):
    """The body of `POST /exports`."""

    destination_id = serializers.CharField(max_length=40)
    mode = serializers.ChoiceField(choices=Export.Mode.values, default=Export.Mode.CHANGES)


class ExportBody(serializers.Serializer):
    """A run."""

    id = serializers.CharField()
    resource_type = serializers.SerializerMethodField()
    destination_id = serializers.CharField()
    status = serializers.CharField()
    trigger = serializers.CharField()
    mode = serializers.CharField()
    resources = serializers.IntegerField()
    gone = serializers.IntegerField()
    bytes = serializers.IntegerField()
    errors = serializers.IntegerField()
    reasons = serializers.JSONField()
    error = serializers.SerializerMethodField()
    folder = serializers.CharField()
    manifest_sha256 = serializers.SerializerMethodField()
    started_at = InstantField(allow_null=True)
    finished_at = InstantField(allow_null=True)
    created_at = InstantField()

    def get_resource_type(self, export) -> str:
        return "export"

    def get_error(self, export) -> str | None:
        return export.error or None

    def get_manifest_sha256(self, export) -> str | None:
        return export.manifest_sha256 or None
