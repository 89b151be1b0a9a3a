"""The audit log: searched and filtered, checked, and taken out as a file. Nothing of it can be changed here or anywhere."""

import json
import re

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponseRedirect, StreamingHttpResponse
from django.utils.html import format_html
from unfold.decorators import action, display

from connect.audit import chain, export, known, walk
from connect.audit.models import Entry
from connect.operations import links
from connect.operations.admin import filters
from connect.operations.admin.base import OperationsAdmin

# What an entry's object_type names, and the page that shows such a row.
PAGES = {
    "api_key": "organizations.apikey", "organization": "organizations.organization", "patient": "organizations.patient",
    "patient_flow": "patientflows.patientflow", "patientflow": "patientflows.patientflow",
    "connection": "portals.connection", "source": "portals.source", "registration": "portals.registration",
    "directory": "", "directory_update": "portals.directoryupdate", "signing_key": "", "pull": "pulls.pull", "record": "pulls.record",
    "webhook_endpoint": "webhooks.endpoint", "event": "webhooks.event", "user": "auth.user",
    "export_destination": "exports.destination", "export": "exports.export", "alert": "operations.alert",
}  # fmt: skip
OBJECT_TYPES = tuple(PAGES)
FAULTS_SHOWN = 5
CHECKED_AT_ONCE = 10_000


REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ByAction(filters.DropdownFilter):
    """The kinds of acts that there are: each by itself, which the index answers for the rarest too."""

    title = "act"
    parameter_name = "act"

    def lookups(self, request, model_admin):
        return [(action, action.replace("_", " ").replace(".", " ")) for action in known.actions()]

    def queryset(self, request, queryset):
        return queryset.filter(action=self.value()) if self.value() else queryset


class ByActor(filters.DropdownFilter):
    title = "who"
    parameter_name = "who"

    def lookups(self, request, model_admin):
        return [("staff", "Staff"), ("api_key", "API keys"), ("patient", "Patients"), ("system", "Connect itself")]

    def queryset(self, request, queryset):
        return queryset.filter(actor_kind=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(OperationsAdmin):
    search_help_text = (
        "Id of an object (conn_…, pull_…, a source, a key) or of a request, or an action: staff.signed_in"
    )
    list_display = ("at", "action", "who", "object", "organization_id", "environment", "address", "position")
    list_filter = (filters.happened_within("at"), ByAction, ByActor, filters.of_organization(), filters.OfEnvironment)
    fields = (
        "at", "action", "actor_kind", "actor", "address", "organization_id", "environment", "object_type", "object",
        "request_id", "facts", "position", "previous_hash", "hash",
    )  # fmt: skip
    readonly_fields = ("object", "facts")
    actions_list = ("export_csv", "export_json", "verify")

    def _found(self, request, term):
        found = Q(object_type__in=OBJECT_TYPES, object_id=term) | Q(action=term)
        return found | Q(request_id=term.lower()) if REQUEST_ID.fullmatch(term.lower()) else found

    @display(description="Who")
    def who(self, entry):
        return f"{entry.actor_kind.replace('_', ' ')} {entry.actor}".strip()

    @display(description="Object")
    def object(self, entry):
        where = PAGES.get(entry.object_type)
        return links.to(where, entry.object_id) if where else entry.object_id or "–"

    @display(description="Facts")
    def facts(self, entry):
        told = json.dumps(entry.detail, indent=2, ensure_ascii=False)
        return format_html("<pre class='ops-code'>{}</pre>", told) if entry.detail else "–"

    @action(description="CSV", icon="download", permissions=["export_audit"], url_path="export-csv")
    def export_csv(self, request):
        return self._export(request, "csv", "text/csv")

    @action(description="JSON", icon="download", permissions=["export_audit"], url_path="export-json")
    def export_json(self, request):
        return self._export(request, "json", "application/json")

    def _export(self, request, form: str, content_type: str):
        """The entries this member of staff may see, oldest first, streamed; taking them out is an entry too."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        self.note_act(request, "audit_log.exported", format=form)
        entries = self.get_queryset(request).order_by("pk").iterator(chunk_size=2000)
        answer = StreamingHttpResponse(export.FORMATS[form](entries), content_type=f"{content_type}; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="audit-log.{form}"'
        return answer

    @action(description="Verify", icon="verified", permissions=["export_audit"], url_path="verify")
    def verify(self, request):
        """Check the newest entries now, and tell what the daily walk along the whole chain found."""
        begins = chain.place_before_end(CHECKED_AT_ONCE)
        faults, last, _ = chain.check(after=begins, most=CHECKED_AT_ONCE)
        standing = walk.standing()
        told = [f"Position {fault.position}: {fault.what}" for fault in faults]
        told += [f"Position {fault['position'] or '–'}: {fault['what']}" for fault in standing.faults]
        for fault in list(dict.fromkeys(told))[:FAULTS_SHOWN]:
            messages.error(request, fault)
        if not told:
            newest = f"The newest {last.position - begins.position:,} entries are whole, head {last.hash[:16]}…"
            messages.success(request, f"{newest} {_whole(standing)}")
        return HttpResponseRedirect(links.rows("audit.entry"))


def _whole(standing) -> str:
    if standing.ended_at is None:
        return f"The first walk along the whole chain is at {standing.position:,}."
    return f"All {standing.entries:,} were, {standing.ended_at:%Y-%m-%d %H:%M} UTC."
