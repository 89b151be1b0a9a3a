"""What the portal holds: every resource in memory, indexed, its body the very bytes that are served."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from portals.sandbox import conf, dates, elements
from portals.sandbox.generate import generate
from portals.sandbox.prepare import prepare

DECODER = msgspec.json.Decoder(float_hook=str)  # a FHIR decimal may be larger than any float


@dataclass(slots=True)
class Resource:
    """One resource as the portal serves it. `patient` is None for what belongs to nobody in particular."""

    type: str
    id: str
    body: bytes
    version: str
    updated: str
    patient: str | None = None
    tokens: dict[str, tuple[str, ...]] = field(default_factory=dict)
    intervals: dict[str, dates.Interval] = field(default_factory=dict)
    refers_to: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


class Holdings:
    """All resources of a portal. Order is that of the file they came from, and never changes."""

    def __init__(self, resources: list[Resource]):
        self.by_reference = {resource.reference: resource for resource in resources}
        self._settle_patients()
        self._of: dict[tuple[str | None, str], list[Resource]] = defaultdict(list)
        self._provenance: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.by_reference.values():
            self._of[resource.patient, resource.type].append(resource)
            if resource.type == "Provenance":
                for target in resource.tokens.get("target", ()):
                    self._provenance[target].append(resource)

    def _settle_patients(self) -> None:
        """Binaries are their document's patient's, and Provenance is its targets'."""
        for resource in self.by_reference.values():
            if resource.type == "DocumentReference":
                for reference in resource.refers_to:
                    target = self.by_reference.get(reference)
                    if target and target.type == "Binary" and not target.patient:
                        target.patient = resource.patient
        for resource in self.by_reference.values():
            if resource.type == "Provenance" and not resource.patient:
                owners = (self.by_reference[ref].patient for ref in resource.refers_to if ref in self.by_reference)
                resource.patient = next(filter(None, owners), None)

    def get(self, type_: str, id_: str) -> Resource | None:
        return self.by_reference.get(f"{type_}/{id_}")

    def of_patient(self, patient: str, type_: str) -> list[Resource]:
        """The patient's resources of one type, or everybody's when the type belongs to no patient."""
        return self._of.get((None if type_ in elements.SHARED_TYPES else patient, type_), [])

    def compartment(self, patient: str) -> list[Resource]:
        """Everything of a patient, type by type."""
        return [resource for type_ in self.types for resource in self._of.get((patient, type_), ())]

    def referenced(self, resources: list[Resource]) -> list[Resource]:
        """Shared resources that `resources` lead to, directly or through one another."""
        found: dict[str, Resource] = {}
        waiting = list(resources)
        while waiting:
            for reference in waiting.pop().refers_to:
                target = self.by_reference.get(reference)
                if target and target.type in elements.SHARED_TYPES and reference not in found:
                    found[reference] = target
                    waiting.append(target)
        return list(found.values())

    def provenance_of(self, resource: Resource) -> list[Resource]:
        return self._provenance.get(resource.reference, [])

    @cached_property
    def patients(self) -> list[Resource]:
        return [resource for resource in self.by_reference.values() if resource.type == "Patient"]

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types there are, in alphabetical order, Patient first."""
        names = {resource.type for resource in self.by_reference.values()}
        return tuple(sorted(names, key=lambda name: (name != "Patient", name)))

    @cached_property
    def search_parameters(self) -> dict[str, dict[str, str]]:
        """For each type the parameters its resources can be found by → FHIR search parameter type."""
        offered: dict[str, dict[str, str]] = {name: {} for name in self.types}
        for resource in self.by_reference.values():
            mine = offered[resource.type]
            for name in resource.tokens:
                mine[name] = "reference" if name in elements.REFERENCE_ELEMENTS else "token"
            mine.update(dict.fromkeys(resource.intervals, "date"))
        return offered


def read(line: bytes) -> Resource:
    """A line of the prepared file, indexed."""
    resource = DECODER.decode(line)
    meta = resource["meta"]
    return Resource(
        type=resource["resourceType"],
        id=resource["id"],
        body=line,
        version=meta["versionId"],
        updated=meta["lastUpdated"],
        patient=elements.patient_of(resource),
        tokens=elements.tokens(resource),
        intervals=elements.intervals(resource) | {"_lastUpdated": dates.interval(meta["lastUpdated"])},
        refers_to=elements.references(line),
    )


def load(path: Path) -> Holdings:
    """Read a prepared file. The demo's 3,000 resources take a third of a second."""
    with open(path, "rb") as file:
        return Holdings([read(line.rstrip(b"\n")) for line in file])


def make(*, generated: bool) -> bool:
    """Make the prepared file from the configured folder, or from generated patients; own fixtures come with either.

    With `generated`, patients are made first if they are not there. Answers whether anything changed.
    """
    folder = conf.data_dir() / "generated"
    chosen = conf.bundles_dir()
    if generated and not chosen and conf.can_generate():
        generate(folder)
    folders = [chosen or folder, conf.FIXTURES / "families"]
    return prepare(
        folders=[each for each in folders if each.exists()],
        extras=(conf.FIXTURES / "extras.json").read_bytes(),
        extra_folder=folder,
        into=prepared_file(),
    )


def prepared_file() -> Path:
    return conf.data_dir() / "holdings.ndjson"


class _Current:
    """This process's copy, read when first needed and again when the file has been made anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[Path, int] | None = None
        self._holdings: Holdings | None = None

    def get(self) -> Holdings:
        made = self._stamp()
        if self._holdings is None or made != self._made:
            with self._lock:
                if self._holdings is None or made != self._made:
                    if made is None:
                        make(generated=False)
                    self._made = self._stamp()
                    self._holdings = load(prepared_file())
        return self._holdings

    @staticmethod
    def _stamp() -> tuple[Path, int] | None:
        path = prepared_file()
        return (path, path.stat().st_mtime_ns) if path.exists() else None


current = _Current().get
