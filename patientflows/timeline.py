"""A flow's timeline: one row a step, without PHI or search text."""

from patientflows.models import Attempt, PatientFlow, Step


def note(
    flow: PatientFlow, kind: str, *, attempt: Attempt | None = None, source_id: str | None = None, outcome=""
) -> Step:
    """Add a step to the flow's timeline; `outcome` is a failure code or another of our own short words."""
    return Step.objects.create(
        flow=flow, kind=kind, attempt_id=attempt and attempt.pk,
        source_id=source_id or (attempt and attempt.source_id), outcome=outcome,
    )  # fmt: skip
