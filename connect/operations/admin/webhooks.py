"""Endpoints, events with their deliveries, and what can be done when a receiver was away."""

import json
from collections.abc import Collection
from datetime import timedelta
from itertools import product

from django import forms
from django.contrib import admin
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
from connect.operations.admin.confirmed import confirmed, secret_once, shown_when
from connect.operations.redaction import redacted
from connect.operations.tenancy import organizations_of
from connect.organizations.models import Environment
from webhooks import actions
from webhooks.models import Delivery, Endpoint, Event

NEWEST_EVENTS = 1000
REACH = {"1": "the last hour", "24": "the last 24 hours", "168": "the last 7 days", "2160": "everything kept"}
OVERLAPS = {"0": "The old secret stops at once", "3600": "Both for an hour", "86400": "Both for a day"}


class RecoverForm(BaseDialogForm):
    """How far back."""

    hours = forms.ChoiceField(label="Undelivered events of", choices=REACH.items(), initial="24",
                              widget=UnfoldAdminSelectWidget)  # fmt: skip


class RotateForm(BaseDialogForm):
    """How long both secrets sign."""

    overlap = forms.ChoiceField(choices=OVERLAPS.items(), initial="3600", widget=UnfoldAdminSelectWidget)


def is_active(endpoint: Endpoint) -> bool:
    """Whether anything is sent there."""
    return endpoint.status == Endpoint.Status.ACTIVE


@admin.register(Endpoint)
class EndpointAdmin(OperationsAdmin):
    found_by = {"wh_": "pk", "http": "url", "evt_": "event_rows"}
    search_help_text = "Endpoint or event id, or the whole URL"
    list_display = ("id", "url", "state", "failing_since", "owner", "made")
    list_filter = (filters.choice("status"), filters.of_organization(), filters.OfEnvironment)
    list_select_related = ("organization",)
    fields = (
        "id", "url", "status", "disabled_reason", "failing_since", "events", "description", "organization", "environment",
        "api_version", "last_sequence", "previous_secret_until", "created_at", "updated_at",
    )  # fmt: skip
    actions_detail = ("enable", "recover", "send_test", "rotate_secret", "disable")

    @display(description="Status")
    def state(self, endpoint):
        return labels.badge(endpoint.status)

    @shown_when(lambda endpoint: not is_active(endpoint))
    @confirmed(
        title="Enable", description="New events are delivered again. Nothing old is sent by itself: recover does that.",
        permission="deliver_events", icon="play_arrow", submit="Enable",
    )  # fmt: skip
    def enable(self, request, endpoint, form):
        actions.update_endpoint(endpoint=endpoint, by=staff_actor(request), status=Endpoint.Status.ACTIVE)
        return "The endpoint is enabled."

    @shown_when(is_active)
    @confirmed(
        title="Disable", description="Deliveries stop and what is pending is held.", permission="deliver_events",
        icon="pause", variant=ActionVariant.DANGER, submit="Disable",
    )  # fmt: skip
    def disable(self, request, endpoint, form):
        actions.update_endpoint(endpoint=endpoint, by=staff_actor(request), status=Endpoint.Status.DISABLED)
        return "The endpoint is disabled."

    @shown_when(is_active)
    @confirmed(
        title="Recover", description="Queues what was never delivered, held and given-up events included.",
        permission="deliver_events", icon="restore", form=RecoverForm, submit="Queue them",
    )  # fmt: skip
    def recover(self, request, endpoint, form):
        since = timezone.now() - timedelta(hours=int(form.cleaned_data["hours"]))
        count = actions.recover(endpoint=endpoint, since=since, by=staff_actor(request))
        return f"{count} events are queued."

    @shown_when(is_active)
    @confirmed(
        title="Send a test event", description="A signed webhook_endpoint.test event goes to this endpoint.",
        permission="deliver_events", icon="science", submit="Send",
    )  # fmt: skip
    def send_test(self, request, endpoint, form):
        return f"{actions.send_test_event(endpoint=endpoint, by=staff_actor(request)).pk} is queued."

    @confirmed(
        title="Rotate the secret", description="The new secret is shown once, in this window.", permission="manage_keys",
        icon="key", form=RotateForm, submit="Rotate",
    )  # fmt: skip
    def rotate_secret(self, request, endpoint, form):
        overlap = int(form.cleaned_data["overlap"])
        secret = actions.rotate_secret(endpoint=endpoint, overlap_seconds=overlap, by=staff_actor(request))
        return secret_once(request, secret, "signing secret", self.page_of(endpoint))

    def panels(self, request, endpoint):
        shown = []
        if endpoint.status == Endpoint.Status.DISABLED:
            reason = endpoint.disabled_reason.replace("_", " ") or "no reason noted"
            shown.append(
                panels.Advice(
                    f"Nothing is sent: {reason}.", "When the receiver is well again: enable, then recover.", "danger"
                )
            )
        elif endpoint.failing_since:
            shown.append(
                panels.Advice("Deliveries have been failing; they are retried on schedule.", "The events say why.")
            )
        undelivered = endpoint.event_rows.undelivered().order_by("-pk")
        return [
            *shown,
            events_table(
                "Undelivered", undelivered, more=links.rows("webhooks.event", endpoint=endpoint.pk, delivered="no")
            ),
            events_table(
                "Newest", endpoint.event_rows.order_by("-pk"), more=links.rows("webhooks.event", endpoint=endpoint.pk)
            ),
        ]


def events_table(title: str, events, *, more: str) -> panels.Table:
    return panels.Table(
        title, ("Event", "Type", "No.", "Status", "Attempts", "Next attempt", "Last answer", "Made"),
        [(links.to("webhooks.event", row.pk), row.type, row.sequence or "–", labels.badge(row.status), row.attempts,
          labels.when(row.next_attempt_at), row.last_status_code or "–", labels.when(row.created_at))
         for row in events.defer("data", "last_response_body")[: panels.SHOWN]],
        more=more, empty="None.",
    )  # fmt: skip


class IsDelivered(filters.DropdownFilter):
    title = "delivered"
    parameter_name = "delivered"

    def lookups(self, request, model_admin):
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request, queryset):
        return queryset.filter(delivered_at__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Event)
class EventAdmin(OperationsAdmin):
    found_by = {"evt_": "pk", "wh_": "endpoint"}
    search_help_text = "Event or endpoint id, or patient_id"
    list_display = (
        "id", "type", "state", "attempts", "endpoint_link", "patient_id", "next_attempt_at", "last_status_code",
        "owner",
    )  # fmt: skip
    list_filter = (
        filters.made_within("evt"), filters.choice("status"), IsDelivered, filters.of_organization(), filters.OfEnvironment,
    )  # fmt: skip
    list_select_related = ("organization",)
    fields = (
        "id", "type", "status", "endpoint_link", "patient_id", "organization", "environment", "sequence", "attempts",
        "tries_left", "trigger", "next_attempt_at", "delivered_at", "last_status_code", "last_redelivered_at",
        "api_version", "created_at", "payload", "answer",
    )  # fmt: skip
    readonly_fields = ("endpoint_link", "payload", "answer")
    actions_detail = ("redeliver",)

    def get_queryset(self, request):
        return super().get_queryset(request).defer("data", "last_response_body")

    def _found(self, request, term):
        return filters.by_patient_id(request.user, term)

    def get_object(self, request, object_id, from_field=None):
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            event.shown_in_full = self.has_phi_permission(request)
        return event

    def change_view(self, request, object_id, form_url="", extra_context=None):
        response = super().change_view(request, object_id, form_url, extra_context)
        event = self.row(request, object_id)
        if event is not None and event.shown_in_full:
            self.note(request, "event.viewed", event)
        return response

    @display(description="Status")
    def state(self, event):
        return labels.badge(event.status)

    @display(description="Endpoint")
    def endpoint_link(self, event):
        return links.to("webhooks.endpoint", event.endpoint_id)

    @display(description="Payload")
    def payload(self, event):
        data = event.data if event.shown_in_full else redacted(event.data)
        return format_html(
            "<pre class='whitespace-pre-wrap text-xs'>{}</pre>", json.dumps(data, indent=2, ensure_ascii=False)
        )

    @display(description="Last answer's body")
    def answer(self, event):
        if not event.last_response_body:
            return "–"
        shown = (
            event.last_response_body if event.shown_in_full else f"{len(event.last_response_body)} characters, hidden"
        )
        return format_html("<pre class='whitespace-pre-wrap text-xs'>{}</pre>", shown)

    @shown_when(lambda event: Endpoint.objects.filter(pk=event.endpoint_id, status=Endpoint.Status.ACTIVE).exists())
    @confirmed(
        title="Redeliver", description="The event is sent again under the same id, whatever became of it.",
        permission="deliver_events", icon="replay", submit="Send again",
    )  # fmt: skip
    def redeliver(self, request, event, form):
        actions.redeliver(event=event, by=staff_actor(request))
        return "The event is queued."

    def panels(self, request, event):
        rows = list(event.deliveries.order_by("-pk")[:50])
        return [deliveries_table(rows)]


def deliveries_table(rows) -> panels.Table:
    return panels.Table(
        "Deliveries", ("Attempt", "Why it ran", "When", "Answer", "Error", "Took"),
        [(links.to("webhooks.delivery", row.pk, row.number), row.get_trigger_display(), labels.when(row.started_at),
          row.status_code or "–", labels.badge(row.error, "danger") if row.error else labels.badge("ok", "success"),
          labels.duration(row.duration_ms)) for row in rows],
        empty="No attempt yet.",
    )  # fmt: skip


def newest_events(organizations: Collection[str]) -> list[str]:
    """Ids of the newest events of these organisations, by index."""
    newest: list[str] = []
    for organization, environment in product(sorted(organizations), Environment.values):
        rows = Event.objects.filter(organization=organization, environment=environment)
        newest += rows.order_by("-pk").values_list("pk", flat=True)[:NEWEST_EVENTS]
    return newest


class WentWell(filters.DropdownFilter):
    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request, model_admin):
        return [("ok", "Delivered"), ("failed", "Failed")]

    def queryset(self, request, queryset):
        if self.value() == "ok":
            return queryset.filter(error="")
        return queryset.exclude(error="") if self.value() == "failed" else queryset


@admin.register(Delivery)
class DeliveryAdmin(OperationsAdmin):
    organization_path = "event__organization_id"
    found_by = {"evt_": "event", "wh_": "event__endpoint"}
    search_help_text = "Event or endpoint id"
    list_display = ("started_at", "event_link", "number", "trigger", "status_code", "error", "took")
    list_filter = (filters.happened_within("started_at"), WentWell)
    fields = ("event_link", "number", "trigger", "started_at", "took", "status_code", "error")
    readonly_fields = ("event_link", "took")

    def get_changelist(self, request, **kwargs):
        """To staff of an organisation the list shows the attempts of its newest events: attempts themselves have no
        organisation, and a new one's would be looked for among everybody's."""
        request.lists_deliveries = True
        return super().get_changelist(request, **kwargs)

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        seen = organizations_of(request.user)
        if seen is None or not getattr(request, "lists_deliveries", False):
            return rows
        return rows.filter(event__in=newest_events(seen))

    @display(description="Event")
    def event_link(self, delivery):
        return links.to("webhooks.event", delivery.event_id)

    @display(description="Took")
    def took(self, delivery):
        return labels.duration(delivery.duration_ms)
