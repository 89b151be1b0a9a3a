"""Connections: the grant, its tokens' health (never the tokens), and what can be done about it."""

from django.contrib import admin
from django.utils import timezone
from unfold.decorators import display
from unfold.enums import ActionVariant

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed, shown_when
from connect.operations.admin.flows import attempts_table
from connect.operations.admin.patients import pulls_table
from connect.operations.admin.words import explain_failure
from connect.operations.overview.present import AHEAD
from connect.operations.tenancy import organizations_of
from patientflows import patients
from portals import actions as portal_actions
from portals.models import Connection, Revocation
from pulls.actions import pull_now


class AboutToEnd(filters.DropdownFilter):
    title = "access ends"
    parameter_name = "lapses"

    def lookups(self, request, model_admin):
        return [("7d", "within 7 days, for good")]

    def queryset(self, request, queryset):
        return queryset.lapsing(timezone.now(), timezone.now() + AHEAD) if self.value() else queryset


class IsFailing(filters.DropdownFilter):
    title = "refreshes"
    parameter_name = "refreshes"

    def lookups(self, request, model_admin):
        return [("failing", "Failing, tried again")]

    def queryset(self, request, queryset):
        return queryset.refreshes_failing() if self.value() else queryset


@admin.register(Connection)
class ConnectionAdmin(OperationsAdmin):
    found_by = {"conn_": "pk", "pf_": "attempts__flow", "pat_": "patient", "fhirsrc_": "source",
                "reg_": "registration", "pull_": "pulls"}  # fmt: skip
    patient_path = "patient"
    source_path = "source"
    search_help_text = "Connection, flow or source id, patient_id, e-mail address, or portal"
    list_display = (
        "id", "patient", "portal", "state", "failure_code", "refresh", "last_pulled_at", "owner",
    )  # fmt: skip
    list_filter = (
        filters.made_within("conn"), filters.choice("status"), filters.of_organization(), filters.OfEnvironment,
        AboutToEnd, IsFailing,
    )  # fmt: skip
    list_select_related = ("patient", "source", "organization")
    fieldsets = (
        (None, {"fields": (
            "id", "status", "patient", "source", "organization", "environment", "registration", "flow", "created_at",
        )}),
        ("Access", {"fields": (
            "failure_code", "failure_at", "scopes", "scopes_missing", "renewable", "access_expires_at", "access_ends_at",
            "refresh_due_at", "refresh_state", "refreshed_at", "refresh_failures", "token_version",
        )}),
        ("Pulls", {"fields": ("last_pulled_at", "next_pull_at")}),
    )  # fmt: skip
    readonly_fields = ("flow",)
    actions_detail = ("pull_now", "refresh_now", "disconnect")

    @display(description="Portal")
    def portal(self, connection):
        return connection.source.name

    @display(description="Status")
    def state(self, connection):
        return labels.badge(connection.status)

    @display(description="Next refresh")
    def refresh(self, connection):
        return labels.when(connection.refresh_due_at)

    @display(description="Flow")
    def flow(self, connection):
        return links.to("patientflows.patientflow", connection.patient_flow_id)

    @shown_when(lambda connection: connection.is_active)
    @confirmed(
        title="Pull now", description="Records are fetched at once, beside the schedule. If a pull is open already, it goes on.",
        permission="run_pulls", icon="cloud_download", submit="Pull",
    )  # fmt: skip
    def pull_now(self, request, connection, form):
        pull = pull_now(connection=connection, by=staff_actor(request))
        return f"{pull.pk} is queued."

    @shown_when(lambda connection: connection.is_active and connection.renewable is not False)
    @confirmed(
        title="Refresh now", description="The access token is renewed at once, ahead of its time.", permission="end_access",
        icon="autorenew", submit="Refresh",
    )  # fmt: skip
    def refresh_now(self, request, connection, form):
        portal_actions.refresh_now(connection=connection, by=staff_actor(request))
        return "The refresh is due now; this page shows what comes of it."

    @shown_when(lambda connection: connection.status != Connection.Status.DISCONNECTED)
    @confirmed(
        title="Disconnect", description="Pulls stop, the tokens are forgotten and revoked at the portal. Records stay. "
        "Only the patient can connect again.", permission="end_access", icon="link_off",
        variant=ActionVariant.DANGER, submit="Disconnect",
    )  # fmt: skip
    def disconnect(self, request, connection, form):
        patients.disconnect(connection=connection, by=staff_actor(request))
        return "The connection is disconnected."

    def panels(self, request, connection):
        shown = []
        if connection.failure_code:
            shown.append(panels.Advice(explain_failure(connection.failure_code)))
        if connection.scopes_missing:
            shown.append(panels.Advice(f"The portal did not grant: {', '.join(connection.scopes_missing)}"))
        attempts = connection.attempts.select_related("source").order_by("-pk")[: panels.SHOWN]
        pulls = connection.pulls.select_related("connection__source").order_by("-pk")
        revocations = Revocation.objects.filter(connection_id=connection.pk).order_by("-pk")[: panels.SHOWN]
        return [
            *shown,
            pulls_table(pulls, more=links.rows("pulls.pull", connection=connection.pk)),
            attempts_table(attempts, more=links.rows("patientflows.attempt", connection=connection.pk)),
            revocations_table(revocations),
        ]


def revocations_table(revocations) -> panels.Table:
    return panels.Table(
        "Revocations at the portal", ("Token", "Due", "Attempts", "Last error", "Settled"),
        [(row.token_type, labels.when(row.due_at), row.attempts, row.last_error or "–", labels.when(row.settled_at))
         for row in revocations],
        empty="None asked for.",
    )  # fmt: skip


@admin.register(Revocation)
class RevocationAdmin(OperationsAdmin):
    organization_path = ""
    found_by = {"conn_": "connection_id", "fhirsrc_": "source"}
    source_path = "source"
    search_help_text = "Connection id or portal"
    list_display = ("connection", "source", "token_type", "due_at", "attempts", "last_error", "settled_at")
    list_select_related = ("source",)
    fields = (
        "connection", "source", "registration", "token_type", "endpoint", "due_at", "attempts", "last_error",
        "settled_at", "created_at",
    )  # fmt: skip
    readonly_fields = ("connection",)

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if self.sees_all(request):
            return rows
        own = Connection.objects.filter(organization__in=organizations_of(request.user))
        return rows.filter(connection_id__in=own.values("pk"))

    @display(description="Connection")
    def connection(self, revocation):
        return links.to("portals.connection", revocation.connection_id)
