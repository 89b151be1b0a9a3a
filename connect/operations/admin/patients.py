"""Patients: the story of one person, over all their flows, connections and pulls."""

from django.contrib import admin
from django.db.models import Count, Max

from connect.operations import labels, links
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.organizations.models import Patient
from patientflows.models import PatientFlow
from portals.models import Source
from pulls.capabilities import Capabilities
from pulls.compartment import US_CORE
from pulls.completeness import completeness_of
from pulls.models import Pull, Record
from webhooks.models import Event

PERSONAL = ("email", "name", "metadata")


@admin.register(Patient)
class PatientAdmin(OperationsAdmin):
    found_by = {"pat_": "pk", "pf_": "flows", "conn_": "connections", "pull_": "pulls"}
    patient_path = "pk"
    search_help_text = "patient_id or e-mail address, or the id of a flow, connection or pull"
    list_display = ("patient_id", "owner", "made")
    list_filter = (filters.made_within("pat"), filters.of_organization(), filters.OfEnvironment)
    list_select_related = ("organization",)

    def get_fields(self, request, obj=None):
        shown = ("patient_id", "id", "organization", "environment", "created_at")
        return shown + PERSONAL if self.has_phi_permission(request) else shown

    def change_view(self, request, object_id, form_url="", extra_context=None):
        response = super().change_view(request, object_id, form_url, extra_context)
        patient = self.row(request, object_id)
        if patient is not None and self.has_phi_permission(request):
            self.note(request, "patient.viewed", patient)
        return response

    def panels(self, request, patient):
        return [
            *why_missing(patient),
            connections_table(patient.connections.select_related("source").order_by("-pk"), patient),
            flows_table(PatientFlow.objects.filter(patient=patient).order_by("-pk"), patient),
            pulls_table(Pull.objects.filter(patient=patient).select_related("connection__source").order_by("-pk"),
                        more=links.rows("pulls.pull", patient=patient.pk)),
            records_table(patient),
            events_table(patient),
        ]  # fmt: skip


def why_missing(patient) -> list:
    """What is here, what is not and why, in sentences a support desk can send; without any of the records' content.

    From the manifest of the last pull, the scopes of the grant, and what the portal says that it offers.
    """
    told = completeness_of(patient)["connections"]
    sources = Source.objects.in_bulk({one["connection_id"] for one in told})
    return [
        panels.Lines(
            f"Records from {one['name']}: what is here, what is missing, and why",
            [*one["sentences"], *_offer_of(sources[one["connection_id"]])],
        )
        for one in told
    ]


def _offer_of(source: Source) -> list[str]:
    """What the portal's CapabilityStatement does not list of the types that certified portals have."""
    if not source.capabilities:
        return ["It is not known what the portal offers: its CapabilityStatement was never read."]
    offered = Capabilities.from_dict(source.capabilities)
    lacking = [name for name in US_CORE if not offered.lists(name)]
    read = f"{source.capabilities_at:%Y-%m-%d}" if source.capabilities_at else "an unknown day"
    if not lacking:
        return [f"The portal says (read {read}) that it offers every type of US Core."]
    return [
        f"The portal says (read {read}) that it does not offer {', '.join(lacking)}: such records cannot come from it."
    ]


def connections_table(connections, patient) -> panels.Table:
    return panels.Table(
        "Connections", ("Connection", "Portal", "Status", "Why", "Last pulled", "Next pull"),
        [(links.to("portals.connection", row.pk), links.to("portals.source", row.source_id, row.source.name),
          labels.badge(row.status), row.failure_code or "–", labels.when(row.last_pulled_at),
          labels.when(row.next_pull_at)) for row in connections[: panels.SHOWN]],
        more=links.rows("portals.connection", patient=patient.pk), empty="No portal has said yes yet.",
    )  # fmt: skip


def flows_table(flows, patient) -> panels.Table:
    return panels.Table(
        "Flows", ("Flow", "Status", "Opened", "Expires", "Made"),
        [(links.to("patientflows.patientflow", row.pk), labels.badge(row.status), labels.when(row.opened_at),
          labels.when(row.expires_at), labels.when(row.created_at)) for row in flows[: panels.SHOWN]],
        more=links.rows("patientflows.patientflow", patient=patient.pk),
    )  # fmt: skip


def pulls_table(pulls, *, more: str) -> panels.Table:
    return panels.Table(
        "Pulls", ("Pull", "Portal", "Status", "Why it ran", "New or changed", "Types failed", "Took", "Made"),
        [(links.to("pulls.pull", row.pk), row.connection.source.name, labels.badge(row.status), row.trigger, row.total,
          row.errors, labels.duration(row.duration_ms), labels.when(row.created_at)) for row in pulls[: panels.SHOWN]],
        more=more,
    )  # fmt: skip


def records_table(patient) -> panels.Table:
    by_type = Record.objects.filter(patient=patient).values("resource_type").order_by("resource_type")
    counted = by_type.annotate(count=Count("pk"), landed=Max("landed_at"))
    return panels.Table(
        "Records", ("Type", "Resources", "Last landed"),
        [(links.outward(links.rows("pulls.record", patient=patient.pk, resource_type=row["resource_type"]),
                        row["resource_type"]), row["count"], labels.when(row["landed"])) for row in counted],
        more=links.rows("pulls.record", patient=patient.pk),
    )  # fmt: skip


def events_table(patient) -> panels.Table:
    rows = Event.objects.of(patient).filter(patient_id=patient.patient_id).order_by("-pk")[: panels.SHOWN]
    return panels.Table(
        "Events", ("Event", "Type", "Status", "Attempts", "Made"),
        [(links.to("webhooks.event", row.pk), row.type, labels.badge(row.status), row.attempts,
          labels.when(row.created_at)) for row in rows],
        more=links.rows("webhooks.event", q=patient.patient_id),
    )  # fmt: skip
