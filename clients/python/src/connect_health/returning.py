"""The patient comes back: reading the parameters that were added to your `return_url`."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Return:
    """What the URL says. Anybody can type such a URL: before acting on it ask `patient_flows.retrieve`, and check that
    the flow is one that you made for whoever is signed in.

    `success` is None where the patient chose among portals themselves (Picker): the flow's connections tell.
    """

    patient_id: str
    patient_flow_id: str
    success: bool | None = None
    connection_id: str | None = None
    error: str | None = None
    error_description: str | None = None


def parse_return_url(url: str) -> Return:
    """Read a whole URL, or its query alone. Raises ValueError when it is not one of Connect's."""
    query = urlsplit(url).query if "?" in url else url
    told = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    missing = [name for name in ("patient_id", "patient_flow_id") if not told.get(name)]
    if missing:
        raise ValueError(f"No return of a patient flow: {' and '.join(missing)} missing")
    success = told.get("success")
    if success not in (None, "true", "false"):
        raise ValueError("No return of a patient flow: success is neither true nor false")
    return Return(
        told["patient_id"], told["patient_flow_id"], None if success is None else success == "true",
        told.get("connection_id"), told.get("error"), told.get("error_description"),
    )  # fmt: skip
