"""Pulls, whose page moves as a whole while one runs."""

from django.contrib import admin, messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, pull_story
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import Declined, confirmed, shown_when
from pulls.actions import cancel_pull, queue_pull, retry_failed_types
from pulls.models import Exchange, Pull
from pulls.retries import SETTLED, lacks_something

# What changes while it runs is told above the fields then, where it moves.
MOVING = ("status", "waiting_for", "error", "total", "errors", "tries", "due_at", "leased_until", "started_at",
          "first_record_at", "finished_at", "took", "manifest_sha256")  # fmt: skip


def may_ask_again(pull: Pull) -> bool:
    """Whether it is over and its connection still has access."""
    return not pull.is_open and pull.connection.is_active


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
        "id", "status", "patient", "connection", "portal_link", "organization", "environment", "trigger", "retry_of",
        "waiting_for", "error", "total", "errors", "tries", "due_at", "leased_until", "created_at", "started_at",
        "first_record_at", "finished_at", "took", "manifest_sha256",
    )  # fmt: skip
    readonly_fields = ("portal_link", "took")
    actions_detail = ("retry_failed", "retry", "cancel", "exchange")

    def get_fields(self, request, obj=None):
        is_open = obj is not None and obj.is_open
        return tuple(name for name in self.fields if not is_open or name not in MOVING)

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

    @shown_when(lambda pull: pull.status in SETTLED and pull.connection.is_active and lacks_something(pull))
    @confirmed(
        title="Retry what failed", description="A new pull asks only for the types, documents and references that this "
        "one could not have. For all else this one goes on vouching.", permission="run_pulls", icon="replay",
        submit="Retry them",
    )  # fmt: skip
    def retry_failed(self, request, pull, form):
        return f"{retry_failed_types(pull=pull, by=staff_actor(request)).pk} is queued."

    @shown_when(may_ask_again)
    @confirmed(
        title="Retry everything", description="A new pull of the same connection, now. What has not changed is skipped.",
        permission="run_pulls", icon="restart_alt", submit="Retry",
    )  # fmt: skip
    def retry(self, request, pull, form):
        if pull.is_open:
            raise Declined("This pull is still open: it goes on by itself.")
        again = queue_pull(connection=pull.connection, trigger=Pull.Trigger.RETRY, by=staff_actor(request))
        return f"{again.pk} is queued."

    @shown_when(lambda pull: pull.is_open)
    @confirmed(
        title="Cancel", description="It stops after the page it is at. What is stored stays; the schedule goes on.",
        permission="run_pulls", icon="cancel", variant=ActionVariant.DANGER, submit="Cancel the pull",
    )  # fmt: skip
    def cancel(self, request, pull, form):
        cancel_pull(pull=pull, by=staff_actor(request))
        return "The pull is canceled."

    @shown_when(lambda pull: Exchange.objects.filter(pull=pull).exists())
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

    def is_moving(self, pull) -> bool:
        return pull.is_open

    def panels(self, request, pull):
        return pull_story.panels_of(pull)
