"""Pulls, with every search's progress moving while one runs."""

import json

from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from connect.errors import ResourceConflict
from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import Declined, confirmed
from pulls.actions import cancel_pull, queue_pull
from pulls.models import Exchange, Pull, Search


@admin.register(Pull)
class PullAdmin(OperationsAdmin):
    found_by = {"pull_": "pk", "conn_": "connection", "pat_": "patient", "fhirsrc_": "connection__source"}
    patient_path = "patient"
    source_path = "connection__source"
    linked_by = ("connection__source",)
    search_help_text = "Pull, connection or source id, patient_id, e-mail address, or portal"
    list_display = (
        "id", "patient", "portal", "state", "trigger", "total", "errors", "took", "made", "owner",
    )  # fmt: skip
    list_filter = (
        filters.made_within("pull"), filters.choice("status"), filters.choice("trigger"), filters.of_organization(),
        filters.OfEnvironment,
    )  # fmt: skip
    list_select_related = ("patient", "connection__source", "organization")
    fields = (
        "id", "status", "patient", "connection", "portal_link", "organization", "environment", "trigger", "waiting_for",
        "error", "total", "errors", "tries", "due_at", "leased_until", "created_at", "started_at", "first_record_at",
        "finished_at", "took", "manifest_sha256",
    )  # fmt: skip
    readonly_fields = ("portal_link", "took")
    actions_detail = ("retry", "cancel", "exchange")

    @display(description="Portal")
    def portal(self, pull):
        return pull.connection.source.name

    @display(description="Portal")
    def portal_link(self, pull):
        return links.to("portals.source", pull.connection.source_id, pull.connection.source.name)

    @display(description="Status")
    def state(self, pull):
        return labels.badge(pull.status)

    @display(description="Took")
    def took(self, pull):
        return labels.duration(pull.duration_ms)

    @confirmed(
        title="Retry", description="A new pull of the same connection, now. What has not changed is skipped.",
        permission="run_pulls", icon="replay", submit="Retry",
    )  # fmt: skip
    def retry(self, request, pull, form):
        if pull.is_open:
            raise Declined("This pull is still open: it goes on by itself.")
        again = queue_pull(connection=pull.connection, trigger=Pull.Trigger.RETRY, by=staff_actor(request))
        return f"{again.pk} is queued."

    @confirmed(
        title="Cancel", description="It stops after the page it is at. What is stored stays; the schedule goes on.",
        permission="run_pulls", icon="cancel", variant=ActionVariant.DANGER, submit="Cancel the pull",
    )  # fmt: skip
    def cancel(self, request, pull, form):
        try:
            cancel_pull(pull=pull, by=staff_actor(request))
        except ResourceConflict:
            raise Declined("This pull has ended already.") from None
        return "The pull is canceled."

    @action(description="Exchange", icon="download", permissions=["run_pulls"], url_path="exchange")
    def exchange(self, request, object_id):
        """What was asked and answered, every value replaced, as a file: to send on, or to play again in a test."""
        pull = self.row(request, object_id)
        if pull is None or not self.has_view_permission(request, pull):
            raise Http404
        kept = Exchange.objects.filter(pull=pull).first()
        if kept is None:
            messages.info(request, "No exchange is kept: the pull has had every type, or has not asked yet.")
            return HttpResponseRedirect(self.page_of(pull))
        self.note(request, "pull.exchange_taken_out", pull)
        answer = HttpResponse(kept.told, content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="exchange-{pull.pk}.json"'
        return answer

    def get_urls(self):
        progress = self.admin_site.admin_view(self.progress)
        return [path("<path:object_id>/progress/", progress, name="pulls_pull_progress"), *super().get_urls()]

    def progress(self, request, object_id):
        """The progress table alone, for the page to poll."""
        pull = self.row(request, object_id)
        if pull is None or not self.has_view_permission(request, pull):
            raise Http404
        return render(request, "operations/panel.html", {"panel": progress_table(pull)})

    def panels(self, request, pull):
        shown = [advice] if (advice := advise(pull)) else []
        return [*shown, progress_table(pull), panels.Timeline("What happened", story(pull)), *answers_table(pull)]


def progress_table(pull: Pull) -> panels.Table:
    """Every search of the pull; polled by the page while the pull is open."""
    searches = list(pull.searches.defer("next_url").order_by("order"))
    return panels.Table(
        "Progress", ("Type", "Status", "Fetched", "Stored", "Unchanged", "Unreadable", "Pages", "Why not"),
        [(row.resource_type, labels.badge(row.status), fetched(row), row.stored, row.unchanged, row.unreadable, row.pages,
          row.error or "–") for row in searches],
        more=links.rows("pulls.record", pull_id=pull.pk),
        live=reverse("admin:pulls_pull_progress", args=[quote(pull.pk)]) if pull.is_open else "",
        empty="The plan is not made yet." if pull.is_open else "Nothing was asked for.",
        note=f"{pull.get_status_display()}: {pull.total} new or changed, {types(pull.errors)} could not be had.",
    )  # fmt: skip


def answers_table(pull: Pull) -> list:
    """What the portal answered where it did not answer well; without a word about the patient."""
    kept = Exchange.objects.filter(pull=pull).first()
    if kept is None:
        return []
    calls = [call for call in json.loads(kept.told)["calls"] if call["verdict"] != "ok"]
    return [
        panels.Table(
            "What the portal answered", ("Asked for", "Status", "Meaning", "Reason", "Took"),
            [(call["url"], call["status"] or "–", labels.badge(call["verdict"], "warning"), call["reason"],
              labels.duration(call["elapsed_ms"])) for call in calls[: panels.SHOWN]],
            empty="Every answer that is kept was well.",
            note=f"{kept.calls} calls are kept; every value is replaced. “Exchange” takes them all out.",
        )
    ]  # fmt: skip


def types(count: int) -> str:
    return "1 type" if count == 1 else f"{count} types"


def fetched(search: Search) -> str:
    return f"{search.fetched} of {search.expected}" if search.expected is not None else str(search.fetched)


def advise(pull: Pull) -> panels.Advice | None:
    """What is wrong, whose it is, and the next step."""
    if pull.status == Pull.Status.FAILED:
        return panels.Advice(f"It failed: {pull.error or 'no reason noted'}.", "Test the portal, then retry.", "danger")
    if pull.status == Pull.Status.PARTIAL:
        return panels.Advice(
            f"{types(pull.errors)} could not be had; the table says why.", "Retry once the portal is well."
        )
    if pull.status == Pull.Status.WAITING:
        return panels.Advice(
            f"It waits for: {pull.waiting_for or 'the portal'}.", "It goes on by itself when that is over.", "info"
        )
    return None


def story(pull: Pull) -> list[panels.Moment]:
    moments = [
        (pull.created_at, f"Queued ({pull.get_trigger_display().lower()})", "info"), (pull.started_at, "Started", "info"),
        (pull.first_record_at, "First record stored", "success"),
        (pull.finished_at, f"Ended: {pull.get_status_display().lower()}", labels.TONES.get(pull.status, "")),
    ]  # fmt: skip
    return [panels.Moment(at, title, tone) for at, title, tone in moments if at]
