"""What every admin page has in common.

Pages are read-only: rows change through actions only, each one call to an app's `actions`. Staff of an organisation see
its rows only. Lists never count, and find by exact ids and indexes.
"""

from typing import ClassVar

from django.db.models import Q
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from connect.audit.actions import record
from connect.operations.site import staff_actor
from connect.operations.tenancy import narrow, organizations_of, patients_matching
from portals.models import Source

MATCHING_SOURCES = 100


def _holds(permission: str):
    """A method Unfold asks before it shows or runs an action that names the permission."""

    def has_permission(self, request, obj=None) -> bool:
        return request.user.has_perm(permission)

    return has_permission


class Permissions:
    """`permissions=["run_pulls"]` on an action asks `has_run_pulls_permission`."""

    has_run_pulls_permission = _holds("operations.run_pulls")
    has_end_access_permission = _holds("operations.end_access")
    has_expire_flows_permission = _holds("operations.expire_flows")
    has_deliver_events_permission = _holds("operations.deliver_events")
    has_pause_portals_permission = _holds("operations.pause_portals")
    has_import_directories_permission = _holds("operations.import_directories")
    has_manage_keys_permission = _holds("operations.manage_keys")
    has_export_audit_permission = _holds("operations.export_audit")
    has_phi_permission = _holds("organizations.view_phi")


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

    paginator = InfinitePaginator
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
    change_form_outer_after_template = "operations/panels.html"

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

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
        """What the page shows below the fields."""
        return []

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        row = self.get_object(request, object_id) if object_id else None
        if row is not None and self.has_view_permission(request, row):
            context["panels"] = self.panels(request, row)
            context["title"] = str(row)
        return super().changeform_view(request, object_id, form_url, context)

    def note(self, request, action: str, row, **detail) -> None:
        """Write to the audit log that this member of staff looked at or did something."""
        record(
            action=action, by=staff_actor(request), organization_id=getattr(row, "organization_id", "") or "",
            environment=getattr(row, "environment", "") or "", object_type=self.opts.model_name, object_id=str(row.pk),
            **detail,
        )  # fmt: skip

    def sees_all(self, request) -> bool:
        return organizations_of(request.user) is None
