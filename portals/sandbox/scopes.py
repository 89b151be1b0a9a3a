"""SMART scopes: what may be asked, how a consent page says it, and what a granted one allows.

Both syntaxes are understood: v2 `patient/Observation.rs?category=…`, and v1 `patient/Observation.read`.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

CONTEXT = {
    "launch/patient": "Know which patient's record it is",
    "openid": "Know who you are",
    "fhirUser": "Know your name in this portal",
    "profile": "Know your name in this portal",
    "offline_access": "Keep access when you are not here, until you end it",
    "online_access": "Keep access while you are signed in",
}
REQUIRED = {"launch/patient", "openid", "fhirUser", "profile"}
OPENID = {"openid", "fhirUser", "profile"}
WORDS = {
    "AllergyIntolerance": "Allergies",
    "Binary": "The files behind your documents",
    "CarePlan": "Care plans",
    "CareTeam": "Care team",
    "Claim": "Claims",
    "Condition": "Health problems and diagnoses",
    "Coverage": "Insurance",
    "Device": "Implanted and other devices",
    "DiagnosticReport": "Reports of tests and imaging",
    "DocumentReference": "Documents and notes",
    "Encounter": "Visits",
    "ExplanationOfBenefit": "What your insurance paid",
    "Goal": "Goals",
    "ImagingStudy": "Imaging",
    "Immunization": "Vaccinations",
    "Location": "Places of care",
    "MedicationAdministration": "Medicines given to you",
    "MedicationDispense": "Medicines from the pharmacy",
    "MedicationRequest": "Prescriptions",
    "Medication": "Details of medicines",
    "Observation": "Test results and measurements",
    "Organization": "Hospitals and other organisations",
    "Patient": "Your name, birth date and address",
    "Practitioner": "Your doctors and nurses",
    "PractitionerRole": "Roles of your doctors and nurses",
    "Procedure": "Procedures and operations",
    "Provenance": "Where each record comes from",
    "QuestionnaireResponse": "Questionnaires you answered",
    "RelatedPerson": "People close to you",
    "ServiceRequest": "Referrals and orders",
    "Specimen": "Samples",
    "SupplyDelivery": "Supplies",
}
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(
    r"patient/(?P<type>\*|[A-Z][A-Za-z]+)\.(?P<verbs>read|write|\*|(?=[cruds])c?r?u?d?s?)(\?(?P<query>.+))?"
)


@dataclass(frozen=True, slots=True)
class RecordScope:
    """A scope over records: a type or `*`, letters of `cruds`, and for a granular one its search parameters."""

    type: str
    verbs: str
    query: tuple[tuple[str, str], ...] = ()

    def covers(self, type_: str, verb: str) -> bool:
        return self.type in {"*", type_} and verb in self.verbs


def parse(scope: str) -> RecordScope | None:
    """A scope over records, or None for a context scope or one this portal does not know."""
    match = _SCOPE.fullmatch(scope)
    if not match:
        return None
    verbs = _V1.get(match["verbs"], match["verbs"])
    return RecordScope(match["type"], verbs, tuple(parse_qsl(match["query"] or "")))


def grantable(asked: str, *, legacy: bool = False) -> list[str]:
    """The scopes of a request this portal could grant, in order, each once. Others are dropped, as RFC 6749 allows."""
    known = [scope for scope in dict.fromkeys(asked.split()) if scope in CONTEXT or parse(scope)]
    if legacy:
        known = [scope for scope in known if scope not in OPENID and (scope in CONTEXT or _is_v1(scope))]
    return [scope for scope in known if scope in CONTEXT or _reads(scope)]


def expanded(scopes: list[str], types: tuple[str, ...]) -> list[str]:
    """The same scopes with each wildcard written out, so that a patient can leave types out."""
    out: dict[str, None] = {}
    for scope in scopes:
        record = parse(scope)
        if record and record.type == "*":
            tail = scope.partition(".")[2]
            out.update(dict.fromkeys(f"patient/{type_}.{tail}" for type_ in types))
        else:
            out[scope] = None
    return list(out)


def chosen(scopes: list[str], types: tuple[str, ...], ticked: set[str]) -> list[str]:
    """What the patient left ticked. A wildcard stays one when nothing under it was unticked."""
    if all(scope in ticked or scope in REQUIRED for scope in expanded(scopes, types)):
        return scopes
    return [scope for scope in expanded(scopes, types) if scope in ticked or scope in REQUIRED]


def words(scope: str) -> str:
    """A scope as a consent page says it."""
    record = parse(scope)
    if not record:
        return CONTEXT.get(scope, scope)
    said = "Everything in your record" if record.type == "*" else WORDS.get(record.type, record.type)
    narrower = ", ".join(value.rpartition("|")[2] for _, value in record.query)
    return f"{said} ({narrower} only)" if narrower else said


def records(scope: str) -> list[RecordScope]:
    """The record scopes of a granted scope string."""
    return [record for record in map(parse, scope.split()) if record]


def _is_v1(scope: str) -> bool:
    return scope.partition("?")[0].rpartition(".")[2] in _V1


def _reads(scope: str) -> bool:
    record = parse(scope)
    return record is not None and bool({"r", "s"} & set(record.verbs))
