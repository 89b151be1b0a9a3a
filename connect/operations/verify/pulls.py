"""Pulls and records: one open pull a connection, a manifest for each that settled, every resource once and readable."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models import F, Max, Q, QuerySet

from connect.crypto import CannotOpen
from connect.operations.verify.findings import Check, overdue, walk
from connect.organizations.models import Patient
from pulls import manifest
from pulls.models import Pull, Record
from pulls.read import open_body
from pulls.records import data_key

SETTLED = (Pull.Status.COMPLETED, Pull.Status.PARTIAL, Pull.Status.FAILED)
CHUNK = 200
LARGE = 256 * 1024


def without_manifest() -> QuerySet:
    return Pull.objects.filter(Q(manifest=None) | Q(manifest_sha256="") | Q(finished_at=None), status__in=SETTLED)


def changed_manifests() -> Iterator[str]:
    """Manifests that are not the text whose SHA-256 was told."""
    settled = Pull.objects.filter(status__in=SETTLED).exclude(manifest=None)
    for pull in walk(settled.only("pk", "manifest", "manifest_sha256"), chunk=CHUNK):
        try:
            if manifest.sha256(pull.manifest) != pull.manifest_sha256:
                yield f"pull {pull.pk}"
        except CannotOpen:
            continue  # the check `sealed` says so


def open_without_access() -> QuerySet:
    return Pull.objects.filter(status__in=Pull.OPEN, updated_at__lt=overdue()).exclude(connection__status="active")


def running_without_lease() -> QuerySet:
    return Pull.objects.filter(status=Pull.Status.RUNNING, leased_until=None)


def completed_with_open_searches() -> QuerySet:
    return Pull.objects.filter(status=Pull.Status.COMPLETED, searches__status__in=["pending", "running"]).distinct()


def positions_past_the_head() -> Iterator[str]:
    """A record later than its patient's counter: the next one would land on a reader's place."""
    highest = Record.objects.values("patient").annotate(last=Max("position"))
    rows = highest.filter(Q(last__gt=F("patient__record_head__position")) | Q(patient__record_head=None))
    for row in rows.order_by().iterator():
        yield f"patient {row['patient']}"


def records_of_another_patient() -> QuerySet:
    return Record.objects.exclude(patient=F("connection__patient"))


def unreadable_records() -> Iterator[str]:
    """The latest records of every patient, some of each, opened with the patient's key."""
    for patient in walk(Patient.objects.only("pk"), chunk=CHUNK):
        key = _key(patient)
        for record in _latest(patient):
            if not _opens(key, record):
                yield f"record {record.pk}"


def _latest(patient: Patient) -> Iterator[Record]:
    """Small ones in one statement, each large one by itself: memory is bounded by one document."""
    latest = Record.objects.filter(patient=patient).order_by("-position")
    sizes = dict(latest.values_list("pk", "size")[: settings.VERIFY_RECORDS_A_PATIENT])
    yield from Record.objects.filter(pk__in=[pk for pk, size in sizes.items() if size < LARGE])
    for pk in (pk for pk, size in sizes.items() if size >= LARGE):
        yield from Record.objects.filter(pk=pk)


def _key(patient: Patient) -> bytes:
    try:
        return data_key(patient)
    except CannotOpen:
        return bytes(32)


def _opens(key: bytes, record: Record) -> bool:
    try:
        return len(open_body(key, record)) == record.size
    except CannotOpen:
        return False


CHECKS = (
    Check(
        "pulls-have-manifests", "Every settled pull has its manifest, its digest and its time.", without_manifest,
        "Something wrote the row past its own methods. Pull again: the new pull vouches for what it asked.",
    ),
    Check(
        "manifests-unchanged", "Every manifest is the text whose SHA-256 was told in its event.", changed_manifests,
        "The row was changed after it was settled; compare with the event's manifest_sha256, and pull again.",
    ),
    Check(
        "pulls-have-access", "No pull is open for a connection that ended.", open_without_access,
        "Cancel it in the admin (Pulls → Cancel).",
    ),
    Check(
        "running-is-leased", "A running pull has a lease.", running_without_lease,
        "Cancel it in the admin and pull again.",
    ),
    Check(
        "complete-is-complete", "A completed pull has no search left undone.", completed_with_open_searches,
        "Pull again, and keep the pull named: its manifest claims too much.",
    ),
    Check(
        "positions", "No record stands past its patient's counter.", positions_past_the_head,
        "Set the patient's record head to the highest position before the next pull.",
    ),
    Check(
        "records-at-home", "A record's patient is its connection's patient.", records_of_another_patient,
        "Stop the installation and look at the records named: they may be with the wrong patient.",
    ),
    Check(
        "records-open", "Records open with their patient's key, to the size they were stored with.", unreadable_records,
        "If the check `sealed` fails too, a sealing key is missing. Else the body was changed: pull again with "
        "everything asked anew.",
    ),
)  # fmt: skip
