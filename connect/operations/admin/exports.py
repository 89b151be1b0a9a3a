"""Export destinations and their runs."""

from django import forms
from django.contrib import admin
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed, shown_when
from connect.organizations.models import Environment, Tenant
from pulls.exports import actions
from pulls.exports.models import Destination, Export, ExportFile
from pulls.exports.serializers import NewDestination

SETTINGS = {"s3": ("bucket", "region", "endpoint_url", "prefix"), "fhir": ("base_url",), "folder": ("folder",)}
CREDENTIALS = {"s3": ("access_key_id", "secret_access_key"), "fhir": ("token",), "folder": ()}


def _text(**more):
    return forms.CharField(required=False, max_length=500, widget=UnfoldAdminTextInputWidget, **more)


def _secret(**more):
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"})
    return forms.CharField(required=False, max_length=8000, widget=widget, **more)


class NewDestinationForm(BaseDialogForm):
    """A new destination; the API's own rules check it."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    environment = forms.ChoiceField(choices=Environment.choices, widget=UnfoldAdminSelectWidget)
    kind = forms.ChoiceField(choices=Destination.Kind.choices, widget=UnfoldAdminSelectWidget)
    bucket, region = _text(label="Bucket (S3)"), _text(label="Region (S3)")
    endpoint_url = _text(label="Endpoint (S3)", help_text="Empty: at AWS.")
    prefix = _text(label="Prefix (S3)")
    access_key_id, secret_access_key = _text(label="Access key id (S3)"), _secret(label="Secret access key (S3)")
    base_url, token = _text(label="Base URL (FHIR server)"), _secret(label="Bearer token (FHIR server)")
    folder = _text(label="Folder", help_text="A name below the installation's export folder.")

    def clean(self):
        cleaned = super().clean()
        kind = cleaned.get("kind")
        if kind not in SETTINGS or self.errors:
            return cleaned
        body = {"name": cleaned["name"], "kind": kind, "settings": self._given(SETTINGS[kind]),
                "credentials": self._given(CREDENTIALS[kind])}  # fmt: skip
        checked = NewDestination(data=body)
        if not checked.is_valid():
            self._tell(checked.errors)
        else:
            self.checked = checked.validated_data
        return cleaned

    def _given(self, names) -> dict:
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}

    def _tell(self, errors: dict, field: str = "kind") -> None:
        """Each problem at the field that it is about, else at the kind."""
        for name, problem in errors.items():
            place = name if name in self.fields else field
            if isinstance(problem, dict):
                self._tell(problem, place)
            else:
                self.add_error(place, [str(one) for one in problem])


class ModeForm(BaseDialogForm):
    """What to export."""

    mode = forms.ChoiceField(
        choices=[("changes", "What changed since the last run"), ("all", "Everything, once more")],
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(Destination)
class DestinationAdmin(OperationsAdmin):
    found_by = {"dest_": "pk", "exp_": "exports"}
    search_help_text = "Destination or export id"
    list_display = ("name", "kind", "state", "complete_until", "owner", "id")
    list_filter = (filters.choice("kind"), filters.of_organization(), filters.OfEnvironment)
    list_select_related = ("organization",)
    fields = (
        "id", "name", "kind", "settings", "credentials_kept", "enabled", "complete_until", "organization", "environment",
        "created_at", "updated_at",
    )  # fmt: skip
    readonly_fields = ("credentials_kept",)
    actions_detail = ("run", "test", "enable", "disable")

    def get_queryset(self, request):
        return super().get_queryset(request).defer("sealed_credentials")

    @display(description="Status")
    def state(self, destination):
        return labels.badge("active") if destination.enabled else labels.badge("disabled", "warning")

    @display(description="Credentials")
    def credentials_kept(self, destination):
        return labels.badge("kept", "success") if destination.sealed_credentials else "–"

    @shown_when(lambda destination: destination.enabled)
    @confirmed(
        title="Run now", description="An export starts at once.", permission="run_exports", icon="play_arrow",
        form=ModeForm, submit="Run",
    )  # fmt: skip
    def run(self, request, destination, form):
        mode = form.cleaned_data["mode"]
        return f"{actions.start_export(destination=destination, mode=mode, by=staff_actor(request)).pk} is queued."

    @confirmed(
        title="Test", description="A small file is written there and deleted again.", permission="run_exports",
        icon="network_check", submit="Test",
    )  # fmt: skip
    def test(self, request, destination, form):
        actions.test_destination(destination=destination, by=staff_actor(request))
        return "It can be written to."

    @shown_when(lambda destination: not destination.enabled)
    @confirmed(
        title="Enable", description="It catches up from where it was.", permission="manage_exports", icon="toggle_on",
        submit="Enable",
    )  # fmt: skip
    def enable(self, request, destination, form):
        actions.enable_destination(destination=destination, by=staff_actor(request))
        return f"{destination.name} is enabled."

    @shown_when(lambda destination: destination.enabled)
    @confirmed(
        title="Disable", description="No new run begins; one under way ends. What is there stays there.",
        permission="manage_exports", icon="toggle_off", variant=ActionVariant.DANGER, submit="Disable",
    )  # fmt: skip
    def disable(self, request, destination, form):
        actions.disable_destination(destination=destination, by=staff_actor(request))
        return f"{destination.name} is disabled."

    def panels(self, request, destination):
        more = links.rows("exports.export", destination=destination.pk)
        return [exports_table(destination.exports.order_by("-pk")[: panels.SHOWN], more=more)]


def add_destination(*, organization, form: NewDestinationForm, by) -> Destination:
    """Try the place first, outside any transaction; then keep it. Raises ApiError."""
    given = dict(form.checked)
    where = {key: given[key] for key in ("kind", "settings", "credentials")}
    actions.check_settings(**where)
    tenant = Tenant(organization.pk, form.cleaned_data["environment"])
    return actions.create_destination(tenant=tenant, name=given["name"], by=by, **where)


def exports_table(exports, *, more: str) -> panels.Table:
    return panels.Table(
        "Runs", ("Run", "Status", "Why it ran", "What", "Resources", "Errors", "Ended"),
        [(links.to("exports.export", row.pk), labels.badge(row.status), row.get_trigger_display(), row.mode, row.resources,
          row.errors, labels.when(row.finished_at)) for row in exports],
        more=more,
    )  # fmt: skip


@admin.register(Export)
class ExportAdmin(OperationsAdmin):
    found_by = {"exp_": "pk", "dest_": "destination"}
    search_help_text = "Export or destination id"
    list_display = (
        "id",
        "destination",
        "state",
        "trigger",
        "mode",
        "resources",
        "errors",
        "organization",
        "made",
    )
    list_filter = (
        filters.made_within("exp"),
        filters.choice("status"),
        filters.of_organization(),
        filters.OfEnvironment,
    )
    list_select_related = ("destination", "organization")
    fields = (
        "id", "status", "destination", "organization", "environment", "trigger", "mode", "resources", "gone", "bytes",
        "errors", "reasons", "error", "waiting_for", "tries", "due_at", "created_at", "started_at", "finished_at",
        "manifest_sha256",
    )  # fmt: skip
    actions_detail = ("retry",)

    @display(description="Status")
    def state(self, export):
        return labels.badge(export.status)

    @shown_when(lambda export: export.status == Export.Status.FAILED)
    @confirmed(
        title="Retry", description="Another run goes on from what the destination has.", permission="run_exports",
        icon="replay", submit="Retry",
    )  # fmt: skip
    def retry(self, request, export, form):
        return f"{actions.retry_export(export=export, by=staff_actor(request)).pk} is queued."

    def is_moving(self, export) -> bool:
        return export.status in Export.OPEN

    def panels(self, request, export):
        shown = []
        if export.error:
            shown.append(panels.Advice(f"It failed: {export.error.replace('_', ' ')}.", "Test the destination, then retry.",
                                       "danger"))  # fmt: skip
        return [*shown, files_table(ExportFile.objects.filter(export=export).order_by("resource_type", "number"))]


def files_table(files) -> panels.Table:
    return panels.Table(
        "Files", ("File", "Type", "Resources", "Bytes"),
        [(row.path, row.resource_type, row.resources, row.bytes) for row in files[:200]], empty="None written yet.",
    )  # fmt: skip
