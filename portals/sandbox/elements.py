"""What can be searched in a resource: for each search parameter the elements it looks at."""

import re
import sys

from portals.sandbox import dates

TOKEN_ELEMENTS = {
    "category": ("category",),
    "class": ("class",),
    "clinical-status": ("clinicalStatus",),
    "code": ("code", "vaccineCode", "medicationCodeableConcept"),
    "gender": ("gender",),
    "identifier": ("identifier",),
    "intent": ("intent",),
    "lifecycle-status": ("lifecycleStatus",),
    "status": ("status",),
    "type": ("type",),
    "vaccine-code": ("vaccineCode",),
    "verification-status": ("verificationStatus",),
}
DATE_ELEMENTS = {
    "authored": ("authored", "authoredOn"),
    "authoredon": ("authoredOn",),
    "birthdate": ("birthDate",),
    "date": (
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveInstant",
        "performedDateTime",
        "performedPeriod",
        "occurrenceDateTime",
        "date",
        "period",
        "started",
        "recordedDate",
        "recorded",
    ),
    "onset-date": ("onsetDateTime", "onsetPeriod"),
    "period": ("period",),
    "recorded-date": ("recordedDate",),
    "service-date": ("billablePeriod",),
}
REFERENCE_ELEMENTS = {"encounter": ("encounter",), "target": ("target",)}
PATIENT_ELEMENTS = ("subject", "patient", "beneficiary", "individual")
# Types that belong to no patient: anyone with a scope for the type may read them.
SHARED_TYPES = frozenset({"Organization", "Practitioner", "PractitionerRole", "Location", "Medication", "Endpoint"})

_REFERENCE = re.compile(rb'"(?:reference|url)":"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"')


def tokens(resource: dict) -> dict[str, tuple[str, ...]]:
    """Token and reference parameters → their values, as `system|code` and `code`, or `Type/id`."""
    found = {name: _tokens(resource, elements) for name, elements in TOKEN_ELEMENTS.items()}
    found |= {name: _references(resource, elements) for name, elements in REFERENCE_ELEMENTS.items()}
    return {name: values for name, values in found.items() if values}


def intervals(resource: dict) -> dict[str, dates.Interval]:
    """Date parameters → the interval of the first of their elements the resource has."""
    found = {}
    for name, elements in DATE_ELEMENTS.items():
        for element in elements:
            held = dates.of_element(resource.get(element))
            if held:
                found[name] = held
                break
    return found


def patient_of(resource: dict) -> str | None:
    """The id of the patient whose compartment the resource says it is in."""
    if resource["resourceType"] == "Patient":
        return resource["id"]
    for element in PATIENT_ELEMENTS:
        value = resource.get(element)
        reference = value.get("reference", "") if isinstance(value, dict) else ""
        if reference.startswith("Patient/"):
            return reference.removeprefix("Patient/").partition("/")[0]
    return None


def references(body: bytes) -> tuple[str, ...]:
    """Every `Type/id` a compact JSON body refers to, attachments included, each once and in order."""
    return tuple(dict.fromkeys(sys.intern(match.decode()) for match in _REFERENCE.findall(body)))


def _tokens(resource: dict, elements: tuple[str, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for element in elements:
        for value in _listed(resource.get(element)):
            for system, code in _codes(value):
                found[sys.intern(code)] = None
                found[sys.intern(f"{system}|{code}")] = None
    return tuple(found)


def _codes(value):
    if isinstance(value, str):
        yield "", value
        return
    if not isinstance(value, dict):
        return
    for coding in value.get("coding", (value,)):
        code = coding.get("code") or coding.get("value")
        if isinstance(code, str):
            yield coding.get("system", ""), code


def _references(resource: dict, elements: tuple[str, ...]) -> tuple[str, ...]:
    listed = [value for element in elements for value in _listed(resource.get(element))]
    return tuple(value["reference"] for value in listed if isinstance(value, dict) and value.get("reference"))


def _listed(value) -> list:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
