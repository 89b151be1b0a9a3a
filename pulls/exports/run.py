"""A worker's run of one export: patient by patient, load by load, the manifest last.

After each load that was delivered one transaction writes down its files, how far each patient's records are there, and
where the run stands: a worker that dies repeats one load at most, under the same names.
"""

from collections import Counter
from collections.abc import Iterator

import structlog
from django.db import transaction
from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from connect.crypto import CannotOpen
from connect.organizations.models import Patient
from pulls.exports import settle
from pulls.exports.models import Export, ExportFile, Mark, Span
from pulls.exports.stores import FolderStore, StoreRefused, StoreUnavailable, open_store
from pulls.exports.writers import Delivered, writer_for
from pulls.leases import LeaseLost
from pulls.models import Record, RecordHead
from pulls.read import Selection, walk
from pulls.records import data_key, open_body

log = structlog.get_logger(__name__)

CHUNK = 100
EVERYTHING = Selection(changes=True)


class PatientErased(Exception):
    """Somebody whose records are in the load was erased while it was on its way."""


def run_export(export_id: str) -> None:
    """Work on an export until it is settled, must wait, or is somebody else's."""
    export = Export.claim(export_id, "destination")
    if export is None:
        return
    with structlog.contextvars.bound_contextvars(export_id=export.pk):
        try:
            ExportRun(export).go()
        except LeaseLost:
            log.info("export.lease_lost")
        except StoreUnavailable as fault:
            settle.wait(export, fault)
        except StoreRefused as fault:
            settle.fail(export, fault.reason)


class ExportRun:
    """One claim's worth of work."""

    def __init__(self, export: Export):
        self.export = export
        destination = export.destination
        self.store = open_store(destination.kind, destination.settings, destination.credentials)
        self._start_load()

    def _start_load(self) -> None:
        self.writer = writer_for(self.store, self.export)
        self.reached: dict[str, int] = {}

    def go(self) -> None:
        """Everything from where the last load ended, then the manifest."""
        while True:
            try:
                self.carry()
                break
            except PatientErased:
                self._start_load()
        settle.settle(self.export, self.store)

    def carry(self) -> None:
        for patient, start in self.patients():
            for record, raw in records_after(patient, start):
                self.writer.add(record, raw, patient)
                self.reached[patient.pk] = record.position
                if self.writer.is_full:
                    self.deliver()
        if self.reached:
            self.deliver()

    def patients(self) -> Iterator[tuple[Patient, int]]:
        """The patients of whom the destination lacks something, and the position from which on. In order of key: the
        one that a load ended in comes first."""
        export = self.export
        marks = Mark.objects.filter(destination=export.destination, patient=OuterRef("patient")).values("position")
        heads = RecordHead.objects.filter(
            patient__organization_id=export.organization_id, patient__environment=export.environment
        )
        if export.mode == Export.Mode.CHANGES:
            known = Coalesce(Subquery(marks), Value(0))
            heads = heads.annotate(known=known).filter(position__gt=F("known"))
        else:
            heads = heads.annotate(known=Value(0))
        last, inside = export.patient_ref, True
        while rows := list(self._after(heads, last, inside=inside)):
            for head in rows:
                resumed = export.mode == Export.Mode.ALL and head.patient_id == export.patient_ref
                yield head.patient, export.position if resumed else head.known
            last, inside = rows[-1].patient_id, False

    def _after(self, heads, last: str, *, inside: bool):
        """The next heads; `inside`: the patient the run was interrupted in is among them."""
        heads = heads.filter(**{"patient_id__gte" if inside else "patient_id__gt": last}) if last else heads
        return heads.select_related("patient").order_by("patient_id")[:CHUNK]

    def deliver(self) -> None:
        """Carry the load over and write down that it is there."""
        done = self.writer.deliver()
        try:
            self.commit(done)
        except PatientErased:
            self.writer.withdraw(done)
            raise
        self.reached = {}

    @transaction.atomic
    def commit(self, done: Delivered) -> None:
        self._lock_patients()
        self.export.hold()
        ExportFile.objects.bulk_create(done.files)
        if isinstance(self.store, FolderStore):
            Span.objects.bulk_create(done.spans, batch_size=500)
        Mark.objects.bulk_create(
            [Mark(destination=self.export.destination, patient_id=pk, position=at) for pk, at in self.reached.items()],
            update_conflicts=True, unique_fields=["destination", "patient"], update_fields=["position"],
        )  # fmt: skip
        export, last = self.export, max(self.reached)
        export.hold(
            patient_ref=last, position=self.reached[last], resources=export.resources + done.resources,
            gone=export.gone + done.gone, bytes=export.bytes + done.bytes,
            errors=export.errors + done.reasons.total(),
            reasons=dict(Counter(export.reasons) + done.reasons),
        )  # fmt: skip

    def _lock_patients(self) -> None:
        """An erasure that is under way waits for us and then finds the spans; one that was first is noticed here."""
        rows = Patient.objects.select_for_update().filter(pk__in=self.reached).order_by("pk")
        if len(rows.values_list("pk")) != len(self.reached):
            raise PatientErased


def records_after(patient: Patient, position: int) -> Iterator[tuple[Record, bytes]]:
    """The patient's records in landing order with their text, a chunk at a time."""
    try:
        key = data_key(patient)
    except CannotOpen:
        raise PatientErased from None
    for batch in walk(patient, EVERYTHING, after=position):
        for record in batch:
            yield record, open_body(key, record)
