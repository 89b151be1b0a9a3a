"""FHIR R4 as it comes over the wire: resources stay the bytes they were sent as (DESIGN law 8). Knows no model."""

from pulls.fhir.identifiers import with_patient_identifier
from pulls.fhir.links import Followed, follow, step_over
from pulls.fhir.outcomes import Issue, read_outcome
from pulls.fhir.pages import Damaged, Entry, NotFhir, Page, digest, read_page
from pulls.fhir.references import Reference, references

__all__ = [
    "Damaged",
    "Entry",
    "Followed",
    "Issue",
    "NotFhir",
    "Page",
    "Reference",
    "digest",
    "follow",
    "read_outcome",
    "read_page",
    "references",
    "step_over",
    "with_patient_identifier",
]
