"""What every admin page has in common.

Pages are read-only: rows change through actions only, each one call to an app's `actions`. Staff of an organisation see
its rows only. Lists never count, and find by exact ids and indexes.
"""

from typing import ClassVar

from django.contrib.admin.utils import quote, unquote
from django.db.models import DateTimeField, Q
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from connect.audit.actions import record
from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.tenancy import narrow, patients_matching, sees_everything
from portals.models import Source

MATCHING_SOURCES = 100
PAGES_DEEP = 100
# How the audit log names a kind of row.
OBJECT_TYPES = {
    "organizations.organization": "organization", "organizations.apikey": "api_key", "organizations.patient": "patient",
    "patientflows.patientflow": "patient_flow", "portals.source": "source", "portals.registration": "registration",
    "portals.directory": "directory", "portals.directoryupdate": "directory_update", "portals.connection": "connection", "pulls.pull": "pull", "pulls.record": "record",
    "webhooks.endpoint": "webhook_endpoint", "exports.destination": "export_destination", "exports.export": "export", "webhooks.event": "event", "auth.user": "user",
}  # fmt: skip


def _holds(permission: str, *, everywhere: bool = False):
    """A method Unfold asks before it shows or runs an action that names the permission.

    `everywhere`: what the action changes is every organisation's, so staff of one organisation may not.
    """

    def has_permission(self, request, obj=None) -> bool:
        return request.user.has_perm(permission) and (not everywhere or sees_everything(request.user))

    return has_permission


class Permissions:
    """`permissions=["run_pulls"]` on an action asks `has_run_pulls_permission`."""

    has_run_pulls_permission = _holds("operations.run_pulls")
    has_end_access_permission = _holds("operations.end_access")
    has_expire_flows_permission = _holds("operations.expire_flows")
    has_deliver_events_permission = _holds("operations.deliver_events")
    has_pause_portals_permission = _holds("operations.pause_portals", everywhere=True)
    has_import_directories_permission = _holds("operations.import_directories", everywhere=True)
    has_rotate_signing_keys_permission = _holds("operations.manage_keys", everywhere=True)
    has_manage_people_permission = _holds("auth.change_user")
    has_manage_keys_permission = _holds("operations.manage_keys")
    has_run_exports_permission = _holds("operations.run_exports")
    has_manage_exports_permission = _holds("operations.manage_exports")
    has_export_audit_permission = _holds("operations.export_audit")
    has_phi_permission = _holds("organizations.view_phi")


class BoundedPaginator(InfinitePaginator):
    """Lists are read from their newest end: a page costs as much as all before it, so there is a last one. What lies
    deeper is found by filters and search."""

    @property
    def num_pages(self) -> int:
        return PAGES_DEEP


class UncountedList(ChangeList):
    """A list whose rows nobody counted. Unfold's header tells a number where the two numbers differ."""

    def get_results(self, request):
        super().get_results(request)
        self.full_result_count = self.result_count


class OperationsAdmin(Permissions, ModelAdmin):
    """A read-only page and list.

    `organization_path` leads from a row to its organisation's id; empty for what all staff may see.
    `found_by` maps the beginning of a public id to the column it is looked up in. `patient_path` and `source_path` lead to
    a patient and a source, by which rows are found too.
    """

    organization_path: ClassVar[str] = "organization_id"
    found_by: ClassVar[dict[str, str]] = {}
    patient_path: ClassVar[str] = ""
    source_path: ClassVar[str] = ""
    # Lookups by which other pages lead to this list, besides its filters and columns.
    linked_by: ClassVar[tuple[str, ...]] = ()

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    list_fullwidth = True
    actions = None
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("pk",)
    list_disable_select_all = True
    change_form_outer_before_template = "operations/panels.html"

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def lookup_allowed(self, lookup, value, request):
        return lookup in self.linked_by or super().lookup_allowed(lookup, value, request)

    def get_changelist(self, request, **kwargs):
        return UncountedList

    def get_queryset(self, request):
        return narrow(super().get_queryset(request), request.user, self.organization_path)

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term:
            return queryset, False
        for prefix, column in self.found_by.items():
            if term.startswith(prefix):
                return queryset.filter(**{column: term}), False
        return queryset.filter(self._found(request, term)), False

    def _found(self, request, term: str) -> Q:
        """By patient and by source; nothing when neither matches."""
        found = Q(pk__in=[])
        if self.patient_path:
            found |= Q(**{f"{self.patient_path}__in": patients_matching(request.user, term)})
        if self.source_path:
            sources = Source.objects.filter(name__icontains=term).order_by().values_list("pk", flat=True)
            found |= Q(**{f"{self.source_path}__in": list(sources[:MATCHING_SOURCES])})
        return found

    def panels(self, request, row) -> list:
        """What the page shows above the fields."""
        return []

    def is_moving(self, row) -> bool:
        """Whether the page is to ask again every two seconds, until this is no longer so."""
        return False

    def get_urls(self):
        name = f"{self.opts.app_label}_{self.opts.model_name}_live"
        return [path("<path:object_id>/live/", self.admin_site.admin_view(self.live), name=name), *super().get_urls()]

    def live(self, request, object_id):
        """The panels alone, for a page that moves; once nothing moves any more, the whole page is asked for again."""
        row = self.row(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        if not self.is_moving(row):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return render(request, "operations/panels.html", self._shown(request, row))

    def _shown(self, request, row) -> dict:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_live"
        live = reverse(name, args=[quote(row.pk)]) if self.is_moving(row) else ""
        return {"panels": self.panels(request, row), "live": live}

    def get_actions_detail(self, request, object_id):
        """Those that apply to the row as it is."""
        allowed = super().get_actions_detail(request, object_id)
        row = getattr(request, "row_shown", None)
        if row is None:
            return allowed
        return [one for one in allowed if getattr(one.method, "applies", _always)(row)]

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        row = self.row(request, object_id) if object_id else None
        if row is not None and self.has_view_permission(request, row):
            request.row_shown = row
            context |= self._shown(request, row)
            context["title"] = str(row)
            context["is_read_only"] = not self.has_change_permission(request, row)
        return super().changeform_view(request, object_id, form_url, context)

    def row(self, request, object_id: str):
        """The row of an address, among what this member of staff may see; None without one."""
        return self.get_object(request, unquote(object_id))

    def get_list_display(self, request):
        """The columns, with times as `3 minutes ago`."""
        return [self._near(name) if self._is_time(name) else name for name in self.list_display]

    def _is_time(self, name: str) -> bool:
        return any(field.name == name and isinstance(field, DateTimeField) for field in self.opts.fields)

    def _near(self, name: str):
        @display(description=self.opts.get_field(name).verbose_name.capitalize())
        def near(row):
            return labels.when(getattr(row, name))

        return near

    @display(description="Made")
    def made(self, row):
        return labels.when(row.created_at)

    @display(description="Of")
    def owner(self, row):
        return f"{row.organization.name if row.organization_id else '–'} · {row.environment}"

    def page_of(self, row) -> str:
        return links.page(self.opts.label_lower, row.pk)

    def note(self, request, action: str, row, **detail) -> None:
        """Write to the audit log that this member of staff looked at or did something."""
        *owner, _ = self.organization_path.split("__")
        record(
            action=action, by=staff_actor(request), organization_id=_follow(row, self.organization_path),
            environment=_follow(row, "__".join([*owner, "environment"])),
            object_type=OBJECT_TYPES[self.opts.label_lower], object_id=str(row.pk), **detail,
        )  # fmt: skip

    def note_act(self, request, action: str, **detail) -> None:
        """The same for an act on no row in particular."""
        record(action=action, by=staff_actor(request), **detail)

    def sees_all(self, request) -> bool:
        return sees_everything(request.user)


def _always(row) -> bool:
    return True


def _follow(row, path: str) -> str:
    """What a lookup path leads to from a row; empty where it leads nowhere."""
    for name in path.split("__"):
        row = getattr(row, name, None) if name else None
    return row or ""
