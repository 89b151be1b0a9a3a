"""Reading a patient's records as they arrive: page by page from the last cursor, each change once."""

from connect.example.api import ConnectApi
from connect.example.store import Store

PAGES_AT_ONCE = 10
TITLED_BY = ("code", "medicationCodeableConcept", "vaccineCode", "type", "category", "description", "name")
DATED_BY = (
    "onsetDateTime", "effectiveDateTime", "authoredOn", "occurrenceDateTime", "performedDateTime", "recordedDate",
    "created", "date", "issued", "birthDate",
)  # fmt: skip


def fetch_new(api: ConnectApi, store: Store, patient_id: str) -> None:
    """Store what landed since the last time. Raises CallFailed."""
    for _ in range(PAGES_AT_ONCE):
        page = api.get(f"/patients/{patient_id}/records", starting_after=store.cursor(patient_id))
        store.add_records(patient_id, [summary(item) for item in page["data"]], page["next_cursor"])
        if not page["has_more"]:
            return


def summary(item: dict) -> dict:
    """What TrialFinder keeps of a resource."""
    resource = item["resource"]
    kind, identity = resource["resourceType"], resource.get("id", "")
    return {
        "key": f"{item['source']}/{kind}/{identity}",
        "type": kind,
        "title": title(resource) or kind,
        "date": next((resource[name][:10] for name in DATED_BY if isinstance(resource.get(name), str)), ""),
    }


def title(resource: dict) -> str:
    """The words of whatever this kind of resource is called by; "" when it has none."""
    return next((words for name in TITLED_BY if (words := _words(resource.get(name)))), "")


def _words(value) -> str:
    """A FHIR string, CodeableConcept, HumanName, or the first of a list of them, as text."""
    if isinstance(value, list):
        return _words(value[0]) if value else ""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    if value.get("text"):
        return value["text"]
    if value.get("family"):
        return " ".join([*value.get("given", []), value["family"]])
    return next((coding["display"] for coding in value.get("coding", []) if coding.get("display")), "")
