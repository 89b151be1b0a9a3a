"""Records: what is held, never what it says; the content opens on a page of its own, for who may see it, audited."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import render
from unfold.decorators import action, display

from connect.crypto import CannotOpen
from connect.operations import labels, links
from connect.operations.admin import filters
from connect.operations.admin.base import OperationsAdmin
from pulls.models import Pull, Record
from pulls.records import data_key, open_body

SHOWN_BYTES = 512 * 1024


@admin.register(Record)
class RecordAdmin(OperationsAdmin):
    organization_path = "patient__organization_id"
    found_by = {"conn_": "connection", "pat_": "patient"}
    patient_path = "patient"
    search_help_text = "Pull or connection id, patient_id or e-mail address"
    list_display = ("resource", "patient", "portal", "state", "size", "landed_at", "pull")
    list_filter = (filters.of_organization("patient__organization_id"),)
    list_select_related = ("patient", "connection__source")
    fields = (
        "resource_type", "resource_id", "patient", "connection", "change", "position", "size", "version_id",
        "last_updated", "pull", "landed_at",
    )  # fmt: skip
    readonly_fields = ("pull",)
    actions_detail = ("show_content",)

    def get_queryset(self, request):
        return super().get_queryset(request).defer("body")

    def get_search_results(self, request, queryset, search_term):
        """A pull's records are looked for among its patient's: no index begins with the pull."""
        term = search_term.strip()
        if term.startswith("pull_"):
            patients = list(Pull.objects.filter(pk=term).values_list("patient", flat=True))
            return queryset.filter(patient__in=patients, pull_id=term), False
        return super().get_search_results(request, queryset, search_term)

    @display(description="Resource")
    def resource(self, record):
        return f"{record.resource_type}/{record.resource_id}"

    @display(description="Portal")
    def portal(self, record):
        return record.connection.source.name

    @display(description="Change")
    def state(self, record):
        return labels.badge(record.change)

    @display(description="Pull")
    def pull(self, record):
        return links.to("pulls.pull", record.pull_id)

    @action(description="Show content", icon="visibility", permissions=["phi"], url_path="content")
    def show_content(self, request, object_id):
        """The resource as the portal sent it. Every showing is in the audit log."""
        record = self.row(request, object_id)
        if record is None:
            raise Http404
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        self.note(request, "record.viewed", record, resource_type=record.resource_type, patient=record.patient_id)
        context = {**self.admin_site.each_context(request), "title": str(record), "opts": self.opts, "record": record,
                   "back": links.page("pulls.record", record.pk), **_content(record)}  # fmt: skip
        return render(request, "operations/record.html", context)


def _content(record: Record) -> dict:
    try:
        raw = open_body(data_key(record.patient), record)
    except CannotOpen:
        return {"problem": "It cannot be opened with the keys this installation has."}
    return {"text": raw[:SHOWN_BYTES].decode(errors="replace"), "cut": len(raw) > SHOWN_BYTES}
