"""A history of any length, made on the fly: the n-th Observation is always the same bytes, and none is kept."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from portals.sandbox import dates
from portals.sandbox.holdings import Resource
from portals.sandbox.search import Query

FIRST = datetime(1990, 1, 1, tzinfo=UTC)
FIRST_UPDATE = datetime(2026, 1, 2, tzinfo=UTC)
CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC = "http://loinc.org"
KINDS = (
    ("laboratory", "2160-0", "Creatinine", "mg/dL", 2),
    ("vital-signs", "8867-4", "Heart rate", "/min", 0),
    ("laboratory", "2823-3", "Potassium", "mmol/L", 1),
    ("vital-signs", "29463-7", "Body weight", "kg", 1),
)
_ID = re.compile(r"huge-(\d{7})-([0-9a-f]{12})")


class HugeHistory(Sequence):
    """`size` Observations of a patient, or those of them at `positions`."""

    def __init__(self, patient: str, size: int, positions: Sequence[int] | None = None):
        self.patient, self.size = patient, size
        self.positions = range(size) if positions is None else positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [observation(self.patient, position) for position in self.positions[place]]
        return observation(self.patient, self.positions[place])

    def selected(self, query: Query) -> "HugeHistory":
        return HugeHistory(self.patient, self.size, _positions(self.patient, self.size, query))

    def find(self, resource_id: str) -> Resource | None:
        match = _ID.fullmatch(resource_id)
        if not match or match[2] != _mark(self.patient) or int(match[1]) >= self.size:
            return None
        return observation(self.patient, int(match[1]))


def observation(patient: str, position: int) -> Resource:
    """The Observation at a position. One a two-thousandth of the way from 1990 to 2026 for every 2,000th."""
    category, code, display, unit, places = KINDS[position % len(KINDS)]
    taken = (FIRST + timedelta(minutes=900 * position)).strftime("%Y-%m-%dT%H:%M:%SZ")
    updated = (FIRST_UPDATE + timedelta(seconds=position)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    resource_id = f"huge-{position:07d}-{_mark(patient)}"
    value = f"{60 + (position * 7919 % 4000) / 100:.{places}f}"
    body = (
        f'{{"resourceType":"Observation","id":"{resource_id}",'
        f'"meta":{{"versionId":"1","lastUpdated":"{updated}"}},"status":"final",'
        f'"category":[{{"coding":[{{"system":"{CATEGORY_SYSTEM}","code":"{category}"}}]}}],'
        f'"code":{{"coding":[{{"system":"{LOINC}","code":"{code}","display":"{display}"}}],"text":"{display}"}},'
        f'"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"{taken}",'
        f'"valueQuantity":{{"value":{value},"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}}}'
    )
    tokens = {
        "category": (category, f"{CATEGORY_SYSTEM}|{category}"),
        "code": (code, f"{LOINC}|{code}"),
        "status": ("final", "|final"),
    }
    when = {"date": dates.interval(taken), "_lastUpdated": dates.interval(updated)}
    return Resource("Observation", resource_id, body.encode(), "1", updated, patient, tokens, when)


@lru_cache(maxsize=64)
def _positions(patient: str, size: int, query: Query) -> tuple[int, ...]:
    return tuple(position for position in range(size) if query.accepts(observation(patient, position)))


@lru_cache(maxsize=1024)
def _mark(patient: str) -> str:
    return hashlib.sha256(patient.encode()).hexdigest()[:12]
