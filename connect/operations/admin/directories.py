"""Published lists of portals: brought in only after an operator has seen what would change."""

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.db.models import Q
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import render
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldBooleanSwitchWidget

from connect.operations import links
from connect.operations.actors import staff_actor
from connect.operations.admin import filters, panels
from connect.operations.admin.base import OperationsAdmin
from connect.outbound import OutboundError
from portals.directory.diff import Diff, DropRefused
from portals.directory.entries import DirectoryUnreadable
from portals.directory.fetching import FetchFailed
from portals.directory.updating import Update, update
from portals.models import Directory

UPLOADS = "directory-uploads"
UPLOAD_LIVES_SECONDS = 3600
MAX_UPLOAD_BYTES = 64 * 1024 * 1024
SHOWN = 50


class ImportForm(forms.Form):
    """From where: the directory's URL, or a file brought by hand."""

    file = forms.FileField(
        required=False, widget=UnfoldAdminFileFieldWidget,
        help_text="A Brands bundle, a vendor's bundle, CSV or JSON; may be gzipped. Empty: the list at the directory's URL.",
    )  # fmt: skip
    force = forms.BooleanField(
        required=False, label="Apply even when more than a fifth would vanish", widget=UnfoldBooleanSwitchWidget
    )
    kept = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_file(self):
        upload = self.cleaned_data["file"]
        if upload and upload.size > MAX_UPLOAD_BYTES:
            raise forms.ValidationError("The file may be 64 MiB at most.")
        return upload

    def clean_kept(self):
        """The name of the file that was compared a moment ago, as we signed it."""
        token = self.cleaned_data["kept"]
        try:
            return signing.loads(token, salt=UPLOADS, max_age=UPLOAD_LIVES_SECONDS) if token else ""
        except signing.BadSignature:
            raise forms.ValidationError("Compare again: that was too long ago.") from None


@admin.register(Directory)
class DirectoryAdmin(OperationsAdmin):
    organization_path = ""
    search_help_text = "Part of the name or URL"
    list_display = ("name", "environment", "url", "vendor", "imported_at")
    list_filter = (filters.OfEnvironment,)
    ordering = ("environment", "name")
    readonly_fields = ("imported_at", "sha256", "last_report")
    fields = ("name", "environment", "url", "vendor", "imported_at", "sha256", "last_report")
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
        """What would change, on a page; then the change, on its button."""
        directory = self.row(request, object_id)
        if directory is None:
            raise Http404
        if not self.has_view_permission(request, directory):
            raise PermissionDenied
        form = ImportForm(request.POST or None, request.FILES or None)
        context = {"title": f"Import {directory.name}", "directory": directory, "form": form,
                   "back": links.page("portals.directory", directory.pk)}  # fmt: skip
        if request.method == "POST" and form.is_valid():
            try:
                found = self._update(request, directory, form)
            except (DirectoryUnreadable, DropRefused, FetchFailed, OutboundError) as problem:
                context["problem"] = getattr(problem, "detail", "") or str(problem)
            else:
                if found.applied:
                    messages.success(request, f"{directory.name} is imported.")
                    return HttpResponseRedirect(context["back"])
                context |= {"found": found, "panels": changes(found)}
        context["kept"] = form.data.get("kept", "") if form.is_bound else ""
        return render(
            request, "operations/import.html", {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )

    def _update(self, request, directory: Directory, form: ImportForm) -> Update:
        apply = "apply" in request.POST
        options = {"directory": directory, "by": staff_actor(request), "dry_run": not apply,
                   "force": form.cleaned_data["force"]}  # fmt: skip
        name = form.cleaned_data["kept"]
        if form.cleaned_data["file"]:
            name = default_storage.save(f"{UPLOADS}/list", form.cleaned_data["file"])
            form.data = form.data.copy()
            form.data["kept"] = signing.dumps(name, salt=UPLOADS)
        if not name:
            return update(**options)
        with default_storage.open(name) as file:
            done = update(file=file, **options)
        if apply:
            default_storage.delete(name)
        return done


def changes(found: Update) -> list:
    """The difference in numbers and, of each kind, the first few."""
    if found.changes is None:
        return [panels.Advice("Nothing new: this is the list that was imported last.", tone="info")]
    diff: Diff = found.changes
    shown = [panels.Lines("In numbers", _numbers(diff.counts()))]
    try:
        diff.check()
    except DropRefused as problem:
        shown.insert(0, panels.Advice(str(problem), "Look at what is withdrawn before you force it.", "danger"))
    kinds = (
        ("New portals", [f"{one.name} · {one.fhir_base_url}" for one in diff.sources_added]),
        ("Changed portals", [f"{one.source.name}: {', '.join(one.changed)}" for one in diff.sources_changed]),
        ("Withdrawn portals", diff.sources_withdrawn),
        ("Left out", [f"{one.place}: {one.reason} {one.detail}".strip() for one in diff.bad]),
        ("Warnings", [f"{one.place}: {one.reason} {one.detail}".strip() for one in diff.warnings]),
    )
    return shown + [panels.Lines(f"{title} ({len(lines)})", lines[:SHOWN]) for title, lines in kinds if lines]


def _numbers(counts: dict) -> list[str]:
    lines = []
    for kind in ("sources", "listings", "bad", "warnings"):
        told = ", ".join(
            f"{number} {what.replace('_', ' ')}" for what, number in counts.get(kind, {}).items() if number
        )
        if told:
            lines.append(f"{ {'bad': 'left out'}.get(kind, kind) }: {told}")
    if counts.get("drop"):
        lines.append(f"share of the list that vanished: {counts['drop']:.1%}")
    return lines
