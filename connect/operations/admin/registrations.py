"""Who we are at portals: our apps there, and the keys we sign with."""

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.db.models import Q
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from connect import ids
from connect.operations import labels
from connect.operations.actors import staff_actor
from connect.operations.admin import filters
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed_on_list
from connect.operations.tenancy import organizations_of
from portals import keys, registrations
from portals.models import Registration, SigningKey

OF_A_KEPT_ONE = ("callback", "created_at", "secret")
NEEDS_SECRET = (Registration.Method.CLIENT_SECRET_BASIC, Registration.Method.CLIENT_SECRET_POST)


ID_OF_A_REGISTRATION = RegexValidator(
    r"^[A-Za-z0-9_-]+\Z", "Letters, digits, hyphens and underscores: it is part of a URL."
)


class RegistrationForm(forms.ModelForm):
    """A secret goes in and never comes out. The id is chosen once: portals ask for the redirect URI that ends in it."""

    id = forms.CharField(
        max_length=60, initial=ids.new_registration_id, validators=[ID_OF_A_REGISTRATION], widget=UnfoldAdminTextInputWidget(),
        help_text="Last part of the redirect URI, /oauth/callback/{id}. Choose it before you register, such as "
        "epic-production: the portal asks for that URI. It cannot be changed later.",
    )  # fmt: skip
    new_secret = forms.CharField(
        required=False, label="Client secret", strip=True, max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Sealed at rest and never shown. Empty: what is kept stays.",
    )  # fmt: skip

    class Meta:
        model = Registration
        fields = (
            "id", "environment", "vendor", "source", "organization", "client_id", "method", "algorithm", "redirect_uri", "scopes",
            "programme",
        )  # fmt: skip

    def clean(self):
        cleaned = super().clean()
        if not cleaned.get("source") and not cleaned.get("vendor"):
            self.add_error("vendor", "Name a vendor, or choose a portal.")
        source = cleaned.get("source")
        if source and source.environment != cleaned.get("environment"):
            self.add_error("source", "The portal belongs to the other environment.")
        has_secret = cleaned.get("new_secret") or self.instance.client_secret
        if cleaned.get("method") in NEEDS_SECRET and not has_secret:
            self.add_error("new_secret", "This method needs a client secret.")
        return cleaned


@admin.register(Registration)
class RegistrationAdmin(OperationsAdmin):
    organization_path = ""
    found_by = {"reg_": "pk", "fhirsrc_": "source"}
    source_path = "source"
    form = RegistrationForm
    search_help_text = "Registration or source id, client id, vendor, or portal"
    list_display = ("id", "client_id", "method", "applies_to", "owner", "programme")
    list_filter = (filters.choice("method"), filters.OfEnvironment)
    list_select_related = ("source", "organization")
    raw_id_fields = ("source", "organization")
    readonly_fields = ("id", "callback", "created_at", "secret")
    fieldsets = (
        (None, {"fields": ("id", "environment", "vendor", "source", "organization", "programme", "created_at")}),
        ("At the portal", {"fields": ("client_id", "callback", "redirect_uri", "scopes")}),
        ("How it authenticates", {"fields": ("method", "algorithm", "secret", "new_secret")}),
    )

    def has_add_permission(self, request):
        return request.user.has_perm("portals.add_registration") and self.sees_all(request)

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("portals.change_registration") and self.sees_all(request)

    def get_queryset(self, request):
        rows = super().get_queryset(request).defer("client_secret")
        seen = organizations_of(request.user)
        return rows if seen is None else rows.filter(Q(organization=None) | Q(organization__in=seen))

    def get_readonly_fields(self, request, obj=None):
        shown = super().get_readonly_fields(request, obj)
        return shown if obj else [name for name in shown if name != "id"]

    def get_fieldsets(self, request, obj=None):
        shown = super().get_fieldsets(request, obj)
        if obj is None:
            return [
                (title, {"fields": [name for name in each["fields"] if name not in OF_A_KEPT_ONE]})
                for title, each in shown
            ]
        if self.has_change_permission(request, obj):
            return shown
        *others, (title, rest) = shown
        return [*others, (title, {"fields": tuple(name for name in rest["fields"] if name != "new_secret")})]

    def _found(self, request, term):
        return super()._found(request, term) | Q(pk=term) | Q(client_id=term) | Q(vendor__iexact=term)

    def save_model(self, request, obj, form, change):
        if form.cleaned_data["new_secret"]:
            obj.client_secret = form.cleaned_data["new_secret"]
        super().save_model(request, obj, form, change)
        action = "registration.changed" if change else "registration.created"
        self.note(request, action, obj, fields=sorted(form.changed_data))

    @display(description="For")
    def applies_to(self, registration):
        return registration.source.name if registration.source_id else f"every {registration.vendor} portal"

    @display(description="Redirect URI in use")
    def callback(self, registration):
        return registrations.redirect_uri(registration) if registration.pk else "–"

    @display(description="Secret")
    def secret(self, registration):
        return labels.badge("kept", "success") if registration.client_secret else "–"


@admin.register(SigningKey)
class SigningKeyAdmin(OperationsAdmin):
    organization_path = ""
    search_help_text = "Key id"
    list_display = ("kid", "algorithm", "state", "signs_from", "retired_at", "made")
    ordering = ("-created_at",)
    fields = ("kid", "algorithm", "state", "signs_from", "retired_at", "created_at", "public_jwk")
    readonly_fields = ("state",)
    actions_list = ("rotate",)

    def get_queryset(self, request):
        return super().get_queryset(request).defer("private_jwk")

    def _found(self, request, term):
        return Q(pk=term)

    @display(description="State")
    def state(self, key):
        return labels.key_state(signs_from=key.signs_from, retired_at=key.retired_at)

    @confirmed_on_list(
        title="Rotate the signing keys", description="A new key an algorithm is published now and signs in 24 hours; today's "
        "keys stay published until a day after that. Portals that read our key set by its URL need nothing.",
        permission="rotate_signing_keys", icon="autorenew", variant=ActionVariant.DANGER, submit="Rotate",
    )  # fmt: skip
    def rotate(self, request, form):
        made = keys.rotate(by=staff_actor(request))
        return f"New keys: {', '.join(key.kid for key in made)}."
