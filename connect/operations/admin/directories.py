"""Published lists of portals: brought in only after an operator has seen what would change; workers do the work."""

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import render
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldBooleanSwitchWidget

from connect.background import wake
from connect.errors import ResourceConflict
from connect.operations import labels, links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.operations.admin.confirmed import confirmed, shown_when
from portals.directory import asked as updates
from portals.models import Directory, DirectoryUpdate
from portals.tasks import update_directories

MAX_UPLOAD_BYTES = 64 * 1024 * 1024
NEXT = {
    "comparing": ("A worker reads the list and compares it with the catalogue.", "This page shows what would change."),
    "importing": ("A worker imports it, a batch at a time.", "Patients find what has come so far."),
}


class ImportForm(forms.Form):
    """From where: the directory's URL, or a file brought by hand."""

    file = forms.FileField(
        required=False, widget=UnfoldAdminFileFieldWidget,
        help_text="A Brands bundle, a vendor's bundle, CSV or JSON; may be gzipped. Empty: the list at the directory's URL.",
    )  # fmt: skip

    def __init__(self, *args, directory: Directory, **kwargs):
        super().__init__(*args, **kwargs)
        self.directory = directory

    def clean_file(self):
        upload = self.cleaned_data["file"]
        if not upload and not self.directory.url:
            raise forms.ValidationError("Choose a file: this directory has no URL.")
        if upload and upload.size > MAX_UPLOAD_BYTES:
            raise forms.ValidationError("The file may be 64 MiB at most.")
        return upload


class ApproveForm(BaseDialogForm):
    """Whether a list that lost much is believed."""

    force = forms.BooleanField(
        required=False, label="Import it even where more than a fifth vanishes", widget=UnfoldBooleanSwitchWidget
    )


@admin.register(Directory)
class DirectoryAdmin(OperationsAdmin):
    organization_path = ""
    search_help_text = "Part of the name or URL"
    list_display = ("name", "environment", "url", "vendor", "imported_at")
    list_filter = (filters.OfEnvironment,)
    ordering = ("name",)
    fields = ("name", "environment", "url", "vendor", "imported_at", "last_report")
    readonly_fields = ("imported_at", "last_report")
    actions_detail = ("compare",)

    def has_add_permission(self, request):
        return request.user.has_perm("portals.add_directory") and self.sees_all(request)

    def has_change_permission(self, request, obj=None):
        return request.user.has_perm("portals.change_directory") and self.sees_all(request)

    def get_readonly_fields(self, request, obj=None):
        fixed = ("name", "environment") if obj else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def _found(self, request, term):
        return Q(name__icontains=term) | Q(url__icontains=term)

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        self.note(request, "directory.changed" if change else "directory.added", obj, fields=sorted(form.changed_data))

    @display(description="What the last import changed")
    def last_report(self, directory):
        return "; ".join(_numbers(directory.report)) or "Never imported."

    @action(description="Import", icon="upload", permissions=["import_directories"], url_path="import")
    def compare(self, request, object_id):
        """Ask for a list to be compared: a page of its own, because a dialog takes no files."""
        directory = self.row(request, object_id)
        if directory is None or not self.has_view_permission(request, directory):
            raise Http404
        bound = (request.POST, request.FILES) if request.method == "POST" else ()
        form = ImportForm(*bound, directory=directory)
        if form.is_valid():
            try:
                asked = updates.ask(directory=directory, by=staff_actor(request), file=form.cleaned_data["file"])
            except ResourceConflict as problem:
                form.add_error(None, str(problem))
            else:
                wake(update_directories)
                return HttpResponseRedirect(links.page("portals.directoryupdate", asked.pk))
        context = {
            "title": f"Import {directory.name}",
            "form": form,
            "back": self.page_of(directory),
            "opts": self.opts,
        }
        return render(request, "operations/import.html", {**self.admin_site.each_context(request), **context})

    def panels(self, request, directory):
        rows = directory.updates.defer("brought").order_by("-pk")[: panels.SHOWN]
        return [
            panels.Table(
                "Updates", ("Update", "Status", "Asked by", "When", "Ended"),
                [(links.to("portals.directoryupdate", row.pk), labels.badge(row.status), row.actor or row.actor_kind,
                  labels.when(row.created_at), labels.when(row.finished_at)) for row in rows],
                more=links.rows("portals.directoryupdate", directory=directory.pk), empty="None asked for here.",
            )
        ]  # fmt: skip


@admin.register(DirectoryUpdate)
class DirectoryUpdateAdmin(OperationsAdmin):
    """Updates that were asked for here: what would change, and what became of it."""

    organization_path = ""
    found_by = {"upd_": "pk"}
    search_help_text = "Update id"
    list_display = ("id", "directory", "state", "actor", "finished_at", "made")
    list_filter = (filters.choice("status"), filters.made_within("upd"))
    list_select_related = ("directory",)
    fields = ("id", "directory", "status", "actor", "is_forced", "problem", "created_at", "compared_at", "finished_at")
    actions_detail = ("approve", "drop")

    def get_queryset(self, request):
        return super().get_queryset(request).defer("brought")

    def is_moving(self, asked) -> bool:
        return asked.is_worked_on

    @display(description="Status")
    def state(self, asked):
        return labels.badge(asked.status)

    @shown_when(lambda asked: asked.status == DirectoryUpdate.Status.COMPARED)
    @confirmed(
        title="Import", description="What is shown here comes into the catalogue. Portals that the list lost are not "
        "offered any more; connections to them go on working.", permission="import_directories", icon="done_all",
        form=ApproveForm, submit="Import",
    )  # fmt: skip
    def approve(self, request, asked, form):
        updates.approve(asked=asked, by=staff_actor(request), force=form.cleaned_data["force"])
        wake(update_directories)
        return "A worker imports it now."

    @shown_when(lambda asked: asked.status == DirectoryUpdate.Status.COMPARED)
    @confirmed(
        title="Drop", description="The catalogue stays as it is.", permission="import_directories", icon="close",
        variant=ActionVariant.DANGER, submit="Drop",
    )  # fmt: skip
    def drop(self, request, asked, form):
        updates.drop(asked=asked, by=staff_actor(request))
        return "Nothing was changed."

    def panels(self, request, asked):
        shown = []
        if asked.status in NEXT:
            what, then = NEXT[asked.status]
            began = labels.near(asked.created_at if asked.status == "comparing" else asked.due_at)
            shown.append(panels.Advice(f"{what} It was asked for {began}.", then, "info"))
        if asked.problem:
            shown.append(panels.Advice(asked.problem, "The catalogue is as it was, or further: ask again.", "danger"))
        if asked.drop and asked.status == DirectoryUpdate.Status.COMPARED:
            shown.append(panels.Advice(asked.drop, "Look at what is withdrawn before you force it.", "danger"))
        if asked.status == DirectoryUpdate.Status.UNCHANGED:
            shown.append(panels.Advice("Nothing would change: the catalogue says the same.", tone="success"))
        if asked.counts:
            shown.append(panels.Lines("In numbers", _numbers(asked.counts)))
        return shown + [panels.Lines(f"{one['title']} ({one['count']:,})", one["lines"]) for one in asked.shown]


def _numbers(counts: dict) -> list[str]:
    lines = []
    for kind in ("sources", "listings", "bad", "warnings"):
        told = ", ".join(
            f"{number:,} {what.replace('_', ' ')}" for what, number in counts.get(kind, {}).items() if number
        )
        if told:
            lines.append(f"{ {'bad': 'left out'}.get(kind, kind) }: {told}")
    if counts.get("drop"):
        lines.append(f"share of the list that vanished: {counts['drop']:.1%}")
    return lines
