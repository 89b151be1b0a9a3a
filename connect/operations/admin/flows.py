"""Flows with their timeline, and attempts."""

from django.contrib import admin
from unfold.decorators import display
from unfold.enums import ActionVariant

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed, shown_when
from connect.operations.admin.words import explain_failure
from patientflows import actions
from patientflows.models import Attempt, PatientFlow, Step
from portals.models import Source

STEP_TONES = {Step.Kind.CONNECTED: "success", Step.Kind.DONE: "success", Step.Kind.FAILED: "danger",
              Step.Kind.EXPIRED: "warning"}  # fmt: skip


@admin.register(PatientFlow)
class PatientFlowAdmin(OperationsAdmin):
    found_by = {"pf_": "pk", "att_": "attempts", "pat_": "patient", "conn_": "attempts__connection",
                "fhirsrc_": "source"}  # fmt: skip
    patient_path = "patient"
    source_path = "source"
    search_help_text = "Flow, attempt or connection id, patient_id, e-mail address, or portal (Direct Mode)"
    list_display = (
        "id",
        "patient",
        "state",
        "mode",
        "opened_at",
        "expires_at",
        "owner",
        "made",
    )
    list_filter = (
        filters.made_within("pf"), filters.choice("status"), filters.of_organization(), filters.OfEnvironment,
    )  # fmt: skip
    list_select_related = ("patient", "organization", "source")
    fields = (
        "id", "status", "patient", "organization", "environment", "source", "recommended", "reconnects", "return_url",
        "return_button_label", "locale", "created_at", "opened_at", "completed_at", "expires_at",
    )  # fmt: skip
    actions_detail = ("expire",)

    @display(description="Status")
    def state(self, flow):
        return labels.badge(flow.status)

    @display(description="Mode")
    def mode(self, flow):
        return f"Direct: {flow.source.name}" if flow.source_id else "Picker"

    @shown_when(lambda flow: flow.is_open)
    @confirmed(
        title="End this link", description="It cannot be opened any more. Who is at a portal for it comes back to a page "
        "that says so.", permission="expire_flows", icon="link_off", variant=ActionVariant.DANGER, submit="End the link",
    )  # fmt: skip
    def expire(self, request, flow, form):
        actions.expire_flow(flow=flow, by=staff_actor(request))
        return "The link is ended."

    def panels(self, request, flow):
        attempts = list(flow.attempts.select_related("source").order_by("-pk")[: panels.SHOWN])
        return [
            panels.Timeline("What happened", story(flow)),
            attempts_table(attempts, more=links.rows("patientflows.attempt", flow=flow.pk)),
        ]


def story(flow: PatientFlow) -> list[panels.Moment]:
    """The flow's steps, with its making before them."""
    steps = list(flow.steps.order_by("id")[:200])
    names = dict(Source.objects.filter(pk__in={step.source_id for step in steps}).values_list("pk", "name"))
    made = panels.Moment(flow.created_at, "Link made", "info")
    return [made, *(_moment(step, names) for step in steps)]


def _moment(step: Step, names: dict) -> panels.Moment:
    portal = links.to("portals.source", step.source_id, names[step.source_id]) if step.source_id in names else ""
    if step.kind == Step.Kind.FAILED:
        text = explain_failure(step.outcome)
        return panels.Moment(step.at, f"Failed: {step.outcome}", "danger", text)
    title = step.kind.replace("_", " ").capitalize() + (f" ({step.outcome.replace('_', ' ')})" if step.outcome else "")
    return panels.Moment(step.at, title, STEP_TONES.get(step.kind, "info"), portal)


def attempts_table(attempts, *, more: str) -> panels.Table:
    return panels.Table(
        "Attempts", ("Attempt", "Portal", "Status", "Why", "Left", "Came back", "Connection"),
        [(links.to("patientflows.attempt", row.pk), links.to("portals.source", row.source_id, row.source.name),
          labels.badge(row.status), row.failure_code or "–", labels.when(row.created_at), labels.when(row.returned_at),
          links.to("portals.connection", row.connection_id)) for row in attempts],
        more=more, empty="The patient has not left for a portal.",
    )  # fmt: skip


@admin.register(Attempt)
class AttemptAdmin(OperationsAdmin):
    organization_path = "flow__organization_id"
    found_by = {"att_": "pk", "pf_": "flow", "conn_": "connection", "fhirsrc_": "source", "reg_": "registration"}
    patient_path = "flow__patient"
    source_path = "source"
    search_help_text = "Attempt, flow, connection or source id, patient_id, e-mail address, or portal"
    list_display = ("id", "patient", "portal", "state", "failure_code", "returned_at", "environment", "made")
    list_filter = (
        filters.made_within("att"), filters.choice("status"), filters.of_organization("flow__organization_id"),
    )  # fmt: skip
    list_select_related = ("flow__patient", "source")
    fields = (
        "id", "status", "stage", "flow", "source", "registration", "scope", "failure_code", "failure_at", "operator_hint",
        "connection", "reconnected", "confirmation_tries", "created_at", "returned_at", "settled_at", "expires_at",
    )  # fmt: skip

    @display(description="Patient")
    def patient(self, attempt):
        return attempt.flow.patient

    @display(description="Portal")
    def portal(self, attempt):
        return attempt.source.name

    @display(description="Status")
    def state(self, attempt):
        return labels.badge(attempt.status)

    @display(description="Environment")
    def environment(self, attempt):
        return attempt.flow.environment

    def panels(self, request, attempt):
        shown = []
        if attempt.failure_code:
            shown.append(panels.Advice(explain_failure(attempt.failure_code), attempt.operator_hint))
        flow = attempt.flow
        steps = [step for step in flow.steps.order_by("id") if step.attempt_id in (attempt.pk, None)]
        names = {attempt.source_id: attempt.source.name}
        return [*shown, panels.Timeline("Within its flow", [_moment(step, names) for step in steps])]
