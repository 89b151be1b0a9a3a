"""Portals: what is known of each, how it is doing, and what an operator can do about it."""

import json
from collections.abc import Iterator
from datetime import timedelta

from django import forms
from django.contrib import admin
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import Declined, confirmed, shown_when
from connect.operations.tenancy import narrow
from patientflows.models import Attempt
from portals import actions
from portals.circuits import key_of
from portals.diagnoses import diagnosis
from portals.models import CatalogueVersion, Circuit, Connection, Listing, MissingPortal, Preflight, Source
from portals.probing import probe as look_at
from pulls.models import Pull

RECENT = timedelta(days=1)
PAUSES = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "7 days"}
OVERRIDES = frozenset(
    ("authorization_parameters", "page_size", "patient_from_fhir_user", "plan", "pull_interval_seconds", "quiet_hours",
     "scopes", "smart_version", "token_requests_per_minute")
)  # fmt: skip


class PauseForm(BaseDialogForm):
    """How long."""

    hours = forms.ChoiceField(label="For", choices=PAUSES.items(), initial="1", widget=UnfoldAdminSelectWidget)


class SourceForm(forms.ModelForm):
    """What an administrator may set by hand; everything else comes from directories and probes."""

    def clean_overrides(self):
        given = self.cleaned_data["overrides"] or {}
        if not isinstance(given, dict):
            raise forms.ValidationError("A JSON object.")
        if unknown := sorted(set(given) - OVERRIDES):
            raise forms.ValidationError(f"Not known: {', '.join(unknown)}. Known are {', '.join(sorted(OVERRIDES))}.")
        return given


class Offered(filters.DropdownFilter):
    title = "offered"
    parameter_name = "offered"

    def lookups(self, request, model_admin):
        return [("yes", "Offered to patients"), ("paused", "Paused"), ("no", "Withdrawn")]

    def queryset(self, request, queryset):
        if self.value() == "paused":
            return queryset.filter(paused_until__gt=timezone.now())
        return queryset.filter(withdrawn_at__isnull=self.value() == "yes") if self.value() else queryset


@admin.register(Source)
class SourceAdmin(OperationsAdmin):
    organization_path = ""
    found_by = {"fhirsrc_": "pk", "http": "fhir_base_url"}
    form = SourceForm
    search_help_text = "Id, FHIR base URL, or part of the name"
    list_display = ("name", "vendor", "environment", "state", "pause", "directory", "probed_at", "id")
    list_filter = (filters.choice("status"), Offered, filters.OfEnvironment)
    ordering = ("name", "pk")
    fieldsets = (
        (None, {"fields": (
            "id", "name", "brand", "vendor", "category", "environment", "fhir_base_url", "portal_url", "directory",
            "withdrawn_at", "successor", "moves_at",
        )}),
        ("How it is", {"fields": ("status", "status_reason", "probed_at", "paused_until")}),
        ("How to treat it", {"fields": ("overrides", "rate_limit_group")}),
        ("What it says of itself", {"fields": ("smart", "fhir")}),
    )  # fmt: skip
    editable = ("overrides", "rate_limit_group")
    actions_detail = ("probe", "pause_now", "resume", "withdraw")

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("portals.change_source") and self.sees_all(request)

    def get_readonly_fields(self, request, obj=None):
        return [name for _, rest in self.fieldsets for name in rest["fields"] if name not in self.editable]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("configuration", "capabilities", "locations", "aliases")

    def _found(self, request, term):
        return Q(name__icontains=term)

    def save_model(self, request, obj, form, change):
        obj.save(update_fields=list(self.editable))
        self.note(request, "source.changed", obj, fields=sorted(form.changed_data))

    @display(description="Status")
    def state(self, source):
        return labels.badge("withdrawn" if source.withdrawn_at else source.status)

    @display(description="Paused")
    def pause(self, source):
        return labels.badge("paused", "warning") if source.is_paused else "–"

    @display(description="SMART configuration")
    def smart(self, source):
        return _told(source.configuration, source.configured_at)

    @display(description="FHIR capabilities")
    def fhir(self, source):
        return _told(source.capabilities, source.capabilities_at)

    @confirmed(
        title="Test this portal", description="Its SMART configuration is read now, and what it says is judged.",
        permission="pause_portals", icon="network_check", submit="Test",
    )  # fmt: skip
    def probe(self, request, source, form):
        found = look_at(source)
        self.note(request, "portal.probed", source, outcome=found.slug if found else "ok")
        if found:
            raise Declined(f"{source.name}: {found.text}")
        return f"{source.name} answers, and offers what we need."

    @shown_when(lambda source: not source.is_paused)
    @confirmed(
        title="Pause this portal", description="No patient is sent there and no token is refreshed until then; pulls wait. "
        "For a maintenance the portal announced, or a fault of ours.", permission="pause_portals", icon="pause",
        form=PauseForm, variant=ActionVariant.DANGER, submit="Pause",
    )  # fmt: skip
    def pause_now(self, request, source, form):
        until = timezone.now() + timedelta(hours=int(form.cleaned_data["hours"]))
        actions.pause_portal(source=source, by=staff_actor(request), reason="paused_by_staff", until=until)
        return f"{source.name} is paused for {PAUSES[form.cleaned_data['hours']]}."

    @shown_when(lambda source: source.is_paused)
    @confirmed(
        title="Resume", description="Calls to this portal are made again; what was put off comes at once.",
        permission="pause_portals", icon="play_arrow", submit="Resume",
    )  # fmt: skip
    def resume(self, request, source, form):
        if not source.is_paused:
            raise Declined("It is not paused.")
        actions.resume_portal(source=source, by=staff_actor(request))
        return f"{source.name} is called again."

    @shown_when(lambda source: source.withdrawn_at is None)
    @confirmed(
        title="Withdraw", description="Patients are not offered it any more; connections to it go on working. The next "
        "import of its directory does not bring it back.", permission="import_directories", icon="visibility_off",
        variant=ActionVariant.DANGER, submit="Withdraw",
    )  # fmt: skip
    def withdraw(self, request, source, form):
        if not Source.objects.filter(pk=source.pk).withdraw():
            raise Declined("It is withdrawn already.")
        CatalogueVersion.move(source.environment)
        self.note(request, "source.withdrawn", source)
        return f"{source.name} is not offered any more."

    def panels(self, request, source):
        shown = [advice for advice in (_paused(source), _circuit(source), *_preflights(source)) if advice]
        connections = self._own(request, Connection.objects.filter(source=source))
        return [
            *shown,
            attempts_at(source, self._own(request, Attempt.objects.filter(source=source), "flow__organization")),
            connections_at(source, connections),
            recent_pulls(source, self._own(request, Pull.objects.filter(connection__source=source))),
            probes_of(source),
            registrations_at(source),
            names_of(source),
        ]

    def _own(self, request, rows, path: str = "organization"):
        return narrow(rows, request.user, path)


def _told(document: dict | None, at) -> str:
    if not document:
        return "Not read yet."
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return format_html(
        "<details><summary class='cursor-pointer'>Read {}</summary><pre class='ops-code'>{}</pre></details>",
        labels.when(at), text,
    )  # fmt: skip


def _paused(source: Source) -> panels.Advice | None:
    if not source.is_paused:
        return None
    reason = source.status_reason.replace("_", " ") or "no reason noted"
    return panels.Advice(
        f"Paused until {source.paused_until:%Y-%m-%d %H:%M} UTC: {reason}.",
        "Resume it when the cause is gone; a fault of our registration pauses it again.",
    )


def _circuit(source: Source) -> panels.Advice | None:
    circuit = Circuit.objects.filter(key=key_of(source), open_until__gt=timezone.now()).first()
    if circuit is None:
        return None
    return panels.Advice(
        f"Its token endpoint failed {circuit.failures} times in a row ({circuit.reason.replace('_', ' ')}).",
        f"Refreshes wait until {circuit.open_until:%H:%M:%S} UTC, then one goes through as a test.", "danger",
    )  # fmt: skip


def _preflights(source: Source) -> Iterator[panels.Advice]:
    """What the last checks of our registrations found wrong, once each."""
    failing = source.preflights.failing().order_by("diagnosis").values_list("diagnosis", flat=True).distinct()
    for slug in failing:
        yield panels.Advice(
            diagnosis(slug).text, "The preflight found it; it is checked again within the hour.", "danger"
        )


def attempts_at(source: Source, attempts) -> panels.Table:
    """How the last day's attempts ended."""
    recent = attempts.filter(created_at__gte=timezone.now() - RECENT).order_by()
    counted = recent.values("status", "failure_code").annotate(count=Count("pk")).order_by("-count")
    return panels.Table(
        "Attempts of the last 24 hours", ("Outcome", "Why", "How many"),
        [(labels.badge(row["status"]), row["failure_code"] or "–", row["count"]) for row in counted],
        more=links.rows("patientflows.attempt", source=source.pk, within="24h"), empty="None.",
    )  # fmt: skip


def connections_at(source: Source, connections) -> panels.Table:
    counted = connections.order_by().values("status").annotate(count=Count("pk")).order_by("status")
    return panels.Table(
        "Connections", ("Status", "How many"),
        [(links.outward(links.rows("portals.connection", source=source.pk, status__exact=row["status"]),
                        labels.badge(row["status"])), row["count"]) for row in counted],
        more=links.rows("portals.connection", source=source.pk), empty="None yet.",
    )  # fmt: skip


def recent_pulls(source: Source, pulls) -> panels.Table:
    rows = pulls.filter(pk__gte=filters.oldest("pull", RECENT)).order_by("-pk")[: panels.SHOWN]
    return panels.Table(
        "Pulls of the last 24 hours", ("Pull", "Status", "New or changed", "Types failed", "Took", "Made"),
        [(links.to("pulls.pull", row.pk), labels.badge(row.status), row.total, row.errors,
          labels.duration(row.duration_ms), labels.when(row.created_at)) for row in rows],
        more=links.rows("pulls.pull", connection__source=source.pk), empty="None.",
    )  # fmt: skip


def probes_of(source: Source) -> panels.Facts:
    """What the last look at its discovery document found, and when the next one is."""
    return panels.Facts("Probes", [
        ("Last", labels.when(source.probed_at)), ("Found", source.status_reason or "nothing wrong" if source.probed_at else "–"),
        ("Failed in a row", source.probe_failures), ("Next", labels.when(source.probe_due_at)),
    ])  # fmt: skip


def registrations_at(source: Source) -> panels.Table:
    shared = Q(source=None, vendor=source.vendor) if source.vendor else Q(pk__in=[])
    rows = source.registrations.model.objects.filter(Q(source=source) | shared, environment=source.environment)
    checked = {row.registration_id: row for row in source.preflights.all()}
    return panels.Table(
        "Our registrations, and what their last preflight found",
        ("Registration", "Client id", "Method", "For", "Preflight", "Checked"),
        [(links.to("portals.registration", row.pk), row.client_id, row.method,
          "this portal" if row.source_id else f"every {row.vendor} portal", *_found(checked.get(row.pk)))
         for row in rows.order_by("-pk")],
        empty="None: nobody can connect here.",
    )  # fmt: skip


def _found(preflight: Preflight | None) -> tuple:
    if preflight is None or preflight.checked_at is None:
        return ("not checked yet", "–")
    tone = "danger" if preflight.diagnosis else "success"
    return (labels.badge(preflight.diagnosis or "well", tone), labels.when(preflight.checked_at))


def names_of(source: Source) -> panels.Table:
    rows = source.listings.order_by("name")[: panels.SHOWN]
    return panels.Table(
        "Names patients find it by", ("Name", "Place", "Directory"),
        [(row.name, ", ".join(filter(None, (row.city, row.state, row.postal_code))) or "–", row.directory or "–")
         for row in rows],
        more=links.rows("portals.listing", source=source.pk), empty="Only its own.",
    )  # fmt: skip


@admin.register(Listing)
class ListingAdmin(OperationsAdmin):
    organization_path = ""
    found_by = {"fhirsrc_": "source"}
    source_path = "source"
    search_help_text = "Part of the name or of the portal's name, or a source id"
    list_display = ("name", "city", "state", "postal_code", "portal", "directory")
    list_filter = (filters.of_environment("source__environment"),)
    list_select_related = ("source",)
    fields = (
        "name", "brand", "aliases", "category", "npi", "city", "state", "postal_code", "source", "logo_url", "portal_url",
        "directory",
    )  # fmt: skip

    def _found(self, request, term):
        return super()._found(request, term) | Q(name__icontains=term)

    @display(description="Portal")
    def portal(self, listing):
        return links.to("portals.source", listing.source_id, listing.source.name)


@admin.register(MissingPortal)
class MissingPortalAdmin(OperationsAdmin):
    """Portals that patients looked for and did not find."""

    search_help_text = "Part of the name"
    list_display = ("name", "place", "portal_url", "owner", "made")
    list_filter = (filters.of_organization(), filters.OfEnvironment)
    list_select_related = ("organization",)
    fields = ("name", "place", "portal_url", "organization", "environment", "created_at")

    def _found(self, request, term):
        return Q(name__icontains=term)


@admin.register(Circuit)
class CircuitAdmin(OperationsAdmin):
    """Token endpoints that fail, and until when they are left alone."""

    organization_path = ""
    search_help_text = "Source id or rate limit group"
    list_display = ("portal", "failures", "reason", "open_until", "next_slot_at", "updated_at")
    ordering = ("-updated_at",)
    fields = ("portal", "failures", "reason", "open_until", "next_slot_at", "client_fault_by", "updated_at")
    readonly_fields = ("portal",)

    def _found(self, request, term):
        return Q(pk=term)

    @display(description="Portal")
    def portal(self, circuit):
        source = Source.objects.filter(pk=circuit.key).only("name").first()
        return links.to("portals.source", source.pk, source.name) if source else circuit.key
