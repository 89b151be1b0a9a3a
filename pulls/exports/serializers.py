"""Bodies of the exports API (contract 5.2)."""

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from connect import outbound
from connect.fields import ConstantField, OneOfField
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


COMPRESS_HELP = "Whether files are gzipped."


class S3Settings(StrictSerializer):
    """An S3-compatible bucket."""

    bucket = serializers.RegexField(
        r"\A[A-Za-z0-9._-]{1,255}\Z", error_messages={"invalid": "A bucket's name"}, help_text="The bucket's name."
    )
    region = serializers.RegexField(r"\A[a-z0-9-]{1,40}\Z", required=False, help_text="Its region.")
    endpoint_url = CallableUrlField(required=False, max_length=500, help_text="Where it is not at AWS: the endpoint.")
    prefix = serializers.RegexField(
        r"\A[A-Za-z0-9._/=-]{0,200}\Z", required=False, help_text="What every file's key begins with."
    )
    compress = serializers.BooleanField(default=True, help_text=COMPRESS_HELP)


class FhirSettings(StrictSerializer):
    """A FHIR R4 server."""

    base_url = CallableUrlField(max_length=500, help_text="Its base URL.")


class FolderSettings(StrictSerializer):
    """A folder on the server's disk."""

    folder = serializers.RegexField(
        NAME, error_messages={"invalid": "A name of letters, digits, dots and dashes"}, help_text="The folder's name."
    )
    compress = serializers.BooleanField(default=True, help_text=COMPRESS_HELP)


class S3Credentials(StrictSerializer):
    """Keys of a bucket."""

    access_key_id = serializers.CharField(max_length=200, help_text="The access key's id.")
    secret_access_key = serializers.CharField(max_length=300, help_text="The secret access key.")
    session_token = serializers.CharField(max_length=4000, required=False, help_text="For temporary credentials.")


class FhirCredentials(StrictSerializer):
    """A bearer token, or a user name and a password."""

    token = serializers.CharField(max_length=8000, required=False, help_text="A bearer token.")
    username = serializers.CharField(max_length=200, required=False, help_text="For HTTP basic authentication.")
    password = serializers.CharField(max_length=300, required=False, help_text="For HTTP basic authentication.")


class NoCredentials(StrictSerializer):
    """A folder needs none."""


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


def _one_of(name: str, known: dict) -> PolymorphicProxySerializer:
    return PolymorphicProxySerializer(
        component_name=name, serializers=list(known.values()), resource_type_field_name=None
    )  # fmt: skip


@extend_schema_field(_one_of("DestinationSettings", SETTINGS))
class SettingsField(serializers.JSONField):
    """What a kind of destination needs to be found."""


@extend_schema_field(_one_of("DestinationCredentials", {"s3": S3Credentials, "fhir": FhirCredentials}))
class CredentialsField(serializers.JSONField):
    """What a kind of destination needs to be let in."""


NAME_HELP = "A name of yours, once."
SETTINGS_HELP = "Where it is; what is needed depends on `kind`."
CREDENTIALS_HELP = "Sealed, and never shown again; what is needed depends on `kind`."
ENABLED_HELP = "Whether runs begin. Enabled again, it catches up from where it was."


class NewDestination(StrictSerializer):
    """The body of `POST /export-destinations`."""

    name = serializers.CharField(max_length=120, help_text=NAME_HELP)
    kind = OneOfField(Destination.Kind.values, help_text="What it is.")
    settings = SettingsField(help_text=SETTINGS_HELP)
    credentials = CredentialsField(required=False, default=dict, help_text=CREDENTIALS_HELP)
    enabled = serializers.BooleanField(default=True, help_text=ENABLED_HELP)

    def validate(self, data):
        data["settings"], data["credentials"] = checked(data["kind"], data["settings"], data["credentials"])
        return data


class DestinationChanges(StrictSerializer):
    """The body of `PATCH /export-destinations/{id}`; its context holds the destination."""

    name = serializers.CharField(max_length=120, required=False, help_text=NAME_HELP)
    settings = SettingsField(required=False, help_text=SETTINGS_HELP)
    credentials = CredentialsField(required=False, help_text=CREDENTIALS_HELP)
    enabled = serializers.BooleanField(required=False, help_text=ENABLED_HELP)

    def validate(self, data):
        if "settings" in data or "credentials" in data:
            destination = self.context["destination"]
            data["settings"], data["credentials"] = checked(
                destination.kind, data.get("settings", destination.settings),
                data.get("credentials", destination.credentials),
            )  # fmt: skip
        return data


@extend_schema_serializer(component_name="ExportDestination")
class DestinationBody(serializers.Serializer):
    """Where records are delivered; never its credentials."""

    id = serializers.CharField(help_text="`dest_…`")
    resource_type = ConstantField("export_destination", help_text="What this object is.")
    name = serializers.CharField(help_text=NAME_HELP)
    kind = OneOfField(Destination.Kind.values, help_text="What it is.")
    settings = SettingsField(help_text="Where it is.")
    enabled = serializers.BooleanField(help_text="Whether runs begin.")
    complete_until = InstantField(allow_null=True, help_text="It has everything that had landed here by then.")
    created_at = InstantField(help_text="When it was made.")
    updated_at = InstantField(help_text="When it last changed.")


class ExportQuery(PageQuery):
    """Filters of `GET /exports`."""

    status = OneOfField(Export.Status.values, required=False, help_text="Only runs of this status.")
    destination_id = serializers.CharField(required=False, max_length=40, help_text="Only this destination's runs.")


class NewExport(StrictSerializer):
    """The body of `POST /exports`."""

    destination_id = serializers.CharField(max_length=40, help_text="Where to.")
    mode = OneOfField(
        Export.Mode.values, default=Export.Mode.CHANGES.value, help_text="What changed since the last run, or all."
    )


@extend_schema_serializer(component_name="Export")
class ExportBody(serializers.Serializer):
    """One run to one destination."""

    id = serializers.CharField(help_text="`exp_…`")
    resource_type = ConstantField("export", help_text="What this object is.")
    destination_id = serializers.CharField(help_text="Where to.")
    status = OneOfField(Export.Status.values, help_text="`waiting` goes on by itself.")
    trigger = OneOfField(Export.Trigger.values, help_text="Why it runs.")
    mode = OneOfField(Export.Mode.values, help_text="What changed since the last run, or all.")
    resources = serializers.IntegerField(help_text="Resources delivered.")
    gone = serializers.IntegerField(help_text="Resources told to be gone.")
    bytes = serializers.IntegerField(help_text="Bytes written.")
    errors = serializers.IntegerField(help_text="Resources the destination would not take.")
    reasons = serializers.DictField(child=serializers.IntegerField(), help_text="Why, and how many of each.")
    error = serializers.SerializerMethodField(help_text="Why the run failed, as a word of ours.")
    folder = serializers.CharField(help_text="Where its files are, below the destination.")
    manifest_sha256 = serializers.SerializerMethodField(help_text="SHA-256 of the manifest, which is written last.")
    started_at = InstantField(allow_null=True, help_text="When it began.")
    finished_at = InstantField(allow_null=True, help_text="When it was settled.")
    created_at = InstantField(help_text="When it was queued.")

    def get_error(self, export) -> str | None:
        return export.error or None

    def get_manifest_sha256(self, export) -> str | None:
        return export.manifest_sha256 or None
