"""Noting that a patient's lines are to be taken out of our own folders."""

from connect.background import wake
from connect.organizations.models import Patient
from pulls.exports.models import Erasure, Span
from pulls.exports.tasks import erase_due


def queue_erasure(patient: Patient) -> int:
    """Have them taken out, inside the caller's transaction; how many files have some."""
    files = Span.objects.filter(patient_ref=patient.pk).values("file").distinct().count()
    if files:
        Erasure.objects.get_or_create(
            patient_ref=patient.pk,
            defaults={"organization_id": patient.organization_id, "environment": patient.environment},
        )
        wake(erase_due)
    return files
