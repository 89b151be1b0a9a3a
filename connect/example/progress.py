"""Where a patient stands, asked of Connect anew for each look at the page."""

from connect.example import trials
from connect.example.api import CallFailed, ConnectApi
from connect.example.records import fetch_new
from connect.example.store import Store

OPEN_PULLS = ("queued", "running", "waiting")
PULLS_SHOWN = 5


def look(api: ConnectApi, store: Store, visitor: dict) -> dict:
    """What the live part of the page shows. Before the first flow nothing is asked."""
    patient_id = visitor["patient_id"]
    patient, pulls, problem = {}, [], ""
    if visitor["flow_id"]:
        try:
            patient = api.get(f"/patients/{patient_id}")
            if patient["connections"]:
                pulls = api.get("/pulls", patient_id=patient_id, limit=PULLS_SHOWN)["data"]
                fetch_new(api, store, patient_id)
        except CallFailed as failure:
            problem = str(failure)
    counts = store.counts(patient_id)
    return {
        "patient_id": patient_id,
        "connections": patient.get("connections", []),
        "pulls": pulls,
        "pulling": any(pull["status"] in OPEN_PULLS for pull in pulls),
        "counts": _with_bars(counts),
        "total": sum(row["number"] for row in counts),
        "latest": store.latest(patient_id),
        "trials": trials.matches(store.titles(patient_id, trials.MATCHED_TYPES)),
        "events": store.events(patient_id),
        "calls": store.calls(visitor["visitor"]),
        "problem": problem,
    }


def _with_bars(counts: list[dict]) -> list[dict]:
    most = max((row["number"] for row in counts), default=1)
    return [row | {"most": most} for row in counts]
