"""Organisations with their branding, and API keys."""

from datetime import UTC, datetime, time, timedelta

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.urls import reverse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)  # fmt: skip

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed, secret_once, shown_when
from connect.operations.admin.exports import NewDestinationForm, add_destination
from connect.organizations import actions
from connect.organizations.models import SCOPES, ApiKey, Environment, Organization
from connect.pictures import PictureRefused, clean_picture

OVERLAPS = {"0": "It stops at once", "1": "1 hour", "24": "1 day", "168": "7 days"}
SCOPE_CHOICES = [(scope, scope) for scope in SCOPES]


class OrganizationForm(forms.ModelForm):
    """What patients see of an organisation."""

    new_logo = forms.FileField(
        required=False, label="Logo", widget=UnfoldAdminFileFieldWidget,
        help_text="PNG, JPEG, WebP or GIF of 512 KB at most; kept as PNG of 512 pixels a side at most.",
    )  # fmt: skip
    remove_logo = forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget)

    class Meta:
        model = Organization
        fields = (
            "name", "slug", "colour", "purpose", "purpose_es", "support_contact", "privacy_url", "button_label",
            "pull_interval_seconds",
        )  # fmt: skip
        widgets = {"colour": UnfoldAdminColorInputWidget}

    def clean_new_logo(self):
        upload = self.cleaned_data["new_logo"]
        if not upload:
            return None
        try:
            return clean_picture(upload.read())
        except PictureRefused as problem:
            raise forms.ValidationError(str(problem)) from None

    def save(self, commit=True):
        if self.cleaned_data.get("remove_logo"):
            self.instance.logo = None
        if self.cleaned_data.get("new_logo"):
            self.instance.logo = self.cleaned_data["new_logo"]
        return super().save(commit)


class NewKeyForm(BaseDialogForm):
    """A new API key."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget, help_text="What will use it.")
    environment = forms.ChoiceField(choices=Environment.choices, widget=UnfoldAdminSelectWidget)
    scopes = forms.MultipleChoiceField(
        choices=SCOPE_CHOICES, initial=list(SCOPES), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    expires_on = forms.DateField(
        required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="The first day (UTC) on which it does not work any more; empty: never.",
    )  # fmt: skip

    @property
    def expires_at(self) -> datetime | None:
        day = self.cleaned_data["expires_on"]
        return datetime.combine(day, time.min, tzinfo=UTC) if day else None


@admin.register(Organization)
class OrganizationAdmin(OperationsAdmin):
    organization_path = "pk"
    found_by = {"org_": "pk"}
    form = OrganizationForm
    list_display = ("name", "slug", "made")
    list_fullwidth = False
    search_help_text = "Id, or part of the name"
    ordering = ("name",)
    readonly_fields = ("id", "created_at", "look")
    fieldsets = (
        (None, {"fields": ("name", "slug", "id", "created_at")}),
        ("What patients see", {"fields": (
            "look", "colour", "new_logo", "remove_logo", "purpose", "purpose_es", "support_contact", "privacy_url",
            "button_label",
        )}),
        ("Pulls", {"fields": ("pull_interval_seconds",)}),
    )  # fmt: skip
    actions_detail = ("make_key", "add_destination")

    def has_add_permission(self, request):
        return request.user.has_perm("organizations.add_organization") and self.sees_all(request)

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("organizations.change_organization")

    def get_fieldsets(self, request, obj=None):
        if self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        hidden = {"new_logo", "remove_logo"}
        shown = super().get_fieldsets(request, obj)
        return [(name, {"fields": [field for field in rest["fields"] if field not in hidden]}) for name, rest in shown]

    def _found(self, request, term):
        return super()._found(request, term) | Q(name__icontains=term)

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        self.note(
            request, "organization.changed" if change else "organization.made", obj, fields=sorted(form.changed_data)
        )

    @display(description="Preview")
    def look(self, organization):
        if organization.pk is None or organization._state.adding:
            return "Save first."
        return links.outward(reverse("patientflows:brand-preview", args=[organization.slug]), "See it as patients do")

    @confirmed(
        title="Make an API key", description="The key is shown once, in this window. Only its hash is kept.",
        permission="manage_keys", icon="vpn_key", form=NewKeyForm, submit="Make the key",
    )  # fmt: skip
    def make_key(self, request, organization, form):
        chosen = {name: form.cleaned_data[name] for name in ("name", "environment", "scopes")}
        key, secret = actions.make_key(
            organization=organization, by=staff_actor(request), expires_at=form.expires_at, **chosen
        )
        return secret_once(request, secret, f"API key “{key.name}”", links.page("organizations.apikey", key.pk))

    @confirmed(
        title="Add an export destination", description="Fill in the fields of its kind. It is tried before it is kept; then "
        "everything is exported there, and from then on what changes.", permission="manage_exports", icon="drive_export",
        form=NewDestinationForm, submit="Try and add",
    )  # fmt: skip
    def add_destination(self, request, organization, form):
        destination = add_destination(organization=organization, form=form, by=staff_actor(request))
        return f"{destination.name} is added, and its first export is queued."

    def panels(self, request, organization):
        keys = organization.api_keys.order_by("-pk")[: panels.SHOWN]
        endpoints = organization.endpoints.order_by("-pk")[: panels.SHOWN]
        return [
            panels.Table(
                "API keys", ("Key", "Environment", "State", "Last used"),
                [(links.to("organizations.apikey", key.pk, key), key.environment, key_state(key),
                  labels.when(key.last_used_at)) for key in keys],
                more=links.rows("organizations.apikey", organization=organization.pk),
            ),
            panels.Table(
                "Webhook endpoints", ("Endpoint", "Environment", "Status", "Failing since"),
                [(links.to("webhooks.endpoint", row.pk, row.url), row.environment, labels.badge(row.status),
                  labels.when(row.failing_since)) for row in endpoints],
                more=links.rows("webhooks.endpoint", organization=organization.pk),
            ),
        ]  # fmt: skip


def key_state(key: ApiKey):
    if key.revoked_at:
        return labels.badge("revoked")
    return labels.badge("expired") if key.is_expired else labels.badge("active")


class RotateKeyForm(BaseDialogForm):
    """How long the old key goes on working."""

    overlap = forms.ChoiceField(choices=OVERLAPS.items(), initial="24", widget=UnfoldAdminSelectWidget)


@admin.register(ApiKey)
class ApiKeyAdmin(OperationsAdmin):
    found_by = {"key_": "pk", "mb_sk_": "hint"}
    search_help_text = "Id, or the beginning of the key as its hint shows it"
    list_display = ("name", "hint", "owner", "state", "last_used_at", "expires_at", "made")
    list_filter = (filters.of_organization(), filters.OfEnvironment)
    list_select_related = ("organization",)
    fields = (
        "id", "name", "hint", "organization", "environment", "scopes", "version", "created_at", "expires_at",
        "last_used_at", "revoked_at",
    )  # fmt: skip
    actions_detail = ("rotate", "revoke")

    @display(description="State")
    def state(self, key):
        return key_state(key)

    @shown_when(lambda key: key.revoked_at is None and not key.is_expired)
    @confirmed(
        title="Rotate this key", description="A new key of the same name and scopes is shown once, in this window. The old "
        "one goes on working for the time you choose.", permission="manage_keys", icon="autorenew", form=RotateKeyForm,
        submit="Rotate",
    )  # fmt: skip
    def rotate(self, request, key, form):
        overlap = timedelta(hours=int(form.cleaned_data["overlap"]))
        fresh, secret = actions.rotate_key(key=key, overlap=overlap, by=staff_actor(request))
        return secret_once(request, secret, f"API key “{fresh.name}”", self.page_of(fresh))

    @shown_when(lambda key: key.revoked_at is None)
    @confirmed(
        title="Revoke this key", description="Requests with it are refused from the next one on. This cannot be undone.",
        permission="manage_keys", icon="block", variant=ActionVariant.DANGER, submit="Revoke",
    )  # fmt: skip
    def revoke(self, request, key, form):
        actions.revoke_key(key=key, by=staff_actor(request))
        return f"{key.name} is revoked."
