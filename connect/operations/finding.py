"""The command palette (⌘K): any public id, patient_id or e-mail address leads to its page."""

from django.contrib import admin
from unfold.dataclasses import SearchResult

from connect.operations import links
from connect.operations.tenancy import patients_matching
from connect.organizations.models import Patient

# By the beginning of an id: which page shows such a row.
PAGES = {
    "pf_": "patientflows.patientflow", "att_": "patientflows.attempt", "conn_": "portals.connection",
    "fhirsrc_": "portals.source", "reg_": "portals.registration", "pull_": "pulls.pull", "wh_": "webhooks.endpoint",
    "evt_": "webhooks.event", "org_": "organizations.organization", "key_": "organizations.apikey",
    "pat_": "organizations.patient", "alert_": "operations.alert", "upd_": "portals.directoryupdate", "dest_": "exports.destination", "exp_": "exports.export",
}  # fmt: skip
LOWER_CASE = ("fhirsrc_",)


def find_anything(request, lowered: str) -> list[SearchResult]:
    """What the term names, among what this member of staff may see. `lowered` is Unfold's; we need it as it was typed."""
    term = (request.GET.get("s") or lowered).strip()
    found = [result for result in (_by_id(request, term),) if result]
    return found + _patients(request, term)


def _by_id(request, term: str) -> SearchResult | None:
    prefix = next((prefix for prefix in PAGES if term.lower().startswith(prefix)), None)
    if prefix is None:
        return None
    pk = term.lower() if prefix in LOWER_CASE else prefix + term[len(prefix) :].upper()
    pages = {model._meta.label_lower: page for model, page in admin.site._registry.items()}
    page = pages[PAGES[prefix]]
    row = page.get_queryset(request).filter(pk=pk).first() if page.has_view_permission(request) else None
    if row is None:
        return None
    return SearchResult(str(row), page.opts.verbose_name, page.page_of(row), "subdirectory_arrow_right")


def _patients(request, term: str) -> list[SearchResult]:
    if not request.user.has_perm("organizations.view_patient"):
        return []
    rows = Patient.objects.filter(pk__in=patients_matching(request.user, term, limit=10)).select_related("organization")
    return [
        SearchResult(
            row.patient_id, f"patient of {row.organization.name}, {row.environment}",
            links.page("organizations.patient", row.pk), "person",
        )
        for row in rows
    ]  # fmt: skip
