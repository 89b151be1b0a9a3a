"""What can be had of a patient, as data: types in the order they are asked for, and how portals insist on being asked.

A *query* is a search's parameters without the patient (`category=laboratory`; empty: the patient alone). A *way* is one
query or several that answer together. A type has ways, best first: the next is tried when a portal refuses one.

The patient alone comes first wherever portals allow it: only that answer is complete. US Core 6.1 obliges servers to
the queries by category, so those are what is fallen back to (reference 4.8).
"""

from dataclasses import dataclass, field

Way = tuple[str, ...]

# First things first: what a clinician looks at before anything else lands before the long tail.
FIRST = ("Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "Immunization")

# US Core 6.1 (USCDI v3): asked for even where the CapabilityStatement does not list them, for statements under-report.
US_CORE = (
    *FIRST, "Observation", "DiagnosticReport", "Procedure", "Encounter", "DocumentReference", "CarePlan", "CareTeam",
    "Goal", "MedicationDispense", "Device", "Coverage", "ServiceRequest", "QuestionnaireResponse", "RelatedPerson",
    "Specimen",
)  # fmt: skip

# CARIN Blue Button: asked of payers, and of whoever lists them.
PAYER = ("ExplanationOfBenefit", "Coverage")

# The rest of FHIR R4's patient compartment: asked for where the portal lists it as searchable by patient.
LONG_TAIL = (
    "ExplanationOfBenefit", "Provenance", "MedicationStatement", "MedicationAdministration", "FamilyMemberHistory",
    "ImagingStudy", "Claim", "ClaimResponse", "Account", "AdverseEvent", "Appointment", "BodyStructure",
    "ClinicalImpression", "Communication", "CommunicationRequest", "Composition", "Consent", "DetectedIssue",
    "DeviceRequest", "DeviceUseStatement", "EpisodeOfCare", "Flag", "ImmunizationEvaluation",
    "ImmunizationRecommendation", "Invoice", "List", "Media", "MolecularSequence", "NutritionOrder", "RequestGroup",
    "ResearchSubject", "RiskAssessment", "SupplyDelivery", "SupplyRequest", "VisionPrescription",
)  # fmt: skip

# Read where something refers to them: most belong to no patient, so no search brings them.
FOLLOWED = frozenset({
    "Binary", "Endpoint", "HealthcareService", "InsurancePlan", "Location", "Medication", "Organization",
    "Practitioner", "PractitionerRole", "RelatedPerson", "Specimen", "Substance",
})  # fmt: skip

ALONE: Way = ("",)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


def by_category(*codes: str) -> Way:
    """One query a category."""
    return tuple(f"category={code}" for code in codes)


OBSERVATION_CATEGORIES = by_category(
    "laboratory", "vital-signs", "social-history", "survey", "exam", "imaging", "procedure", "therapy", "activity",
    "sdoh", "functional-status", "disability-status", "cognitive-status", "treatment-intervention-preference",
    "care-experience-preference", "observation-adi-documentation",
)  # fmt: skip
CONDITION_CATEGORIES = by_category("problem-list-item", "health-concern", "encounter-diagnosis")
REPORT_CATEGORIES = by_category("LAB", *(f"{LOINC}|{code}" for code in ("LP29684-5", "LP29708-2", "LP7839-6")))
ACTIVE_ORDERS: Way = ("intent=order,plan",)

WAYS: dict[str, tuple[Way, ...]] = {
    "CarePlan": (ALONE, by_category("assess-plan")),
    "CareTeam": (ALONE, ("status=active",)),
    "Condition": (ALONE, CONDITION_CATEGORIES),
    "DiagnosticReport": (ALONE, REPORT_CATEGORIES),
    "DocumentReference": (ALONE, by_category("clinical-note")),
    "Encounter": (ALONE, ("date=ge1900-01-01",)),
    "MedicationRequest": (ALONE, ACTIVE_ORDERS),
    "Observation": (ALONE, OBSERVATION_CATEGORIES),
}


@dataclass(frozen=True, slots=True)
class Vendor:
    """How a vendor's portals differ. `filters_by_date`: `_lastUpdated` saves work there and can be believed."""

    ways: dict[str, tuple[Way, ...]] = field(default_factory=dict)
    page_size: int | None = None
    filters_by_date: bool = True
    is_payer: bool = False


# Epic: Observation needs a category (error 59108), CarePlan one of its SNOMED codes; _lastUpdated filters afterwards.
EPIC_CARE_PLANS = by_category(*(f"{SNOMED}|{code}" for code in ("734163000", "38717003", "736271009", "736353004")))
EPIC = Vendor(
    ways={
        "Observation": (OBSERVATION_CATEGORIES,),
        "CarePlan": ((*EPIC_CARE_PLANS, *by_category("assess-plan")), ALONE),
        "DocumentReference": (by_category("clinical-note"), ALONE),
        "MedicationRequest": (ACTIVE_ORDERS, ALONE),
    },
    filters_by_date=False,
)
ATHENA = Vendor(ways={"MedicationRequest": (ACTIVE_ORDERS, ALONE)})
PAYER_VENDOR = Vendor(is_payer=True)

VENDORS: dict[str, Vendor] = {
    "epic": EPIC,
    "athena": ATHENA,
    "athenahealth": ATHENA,
    "bluebutton": PAYER_VENDOR,
    "payer": PAYER_VENDOR,
}
GENERIC = Vendor()
