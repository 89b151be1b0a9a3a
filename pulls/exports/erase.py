"""Taking an erased patient's lines out of the files in our own folders (contract 2, `DELETE /patients/{id}`).

The file is written anew beside the old one and renamed over it. What it will be is written down first: a worker that
dies in between leaves a file that is either the old one (done again) or the announced one (only noted).
"""

import gzip
import hashlib
import io
import tempfile
from datetime import timedelta
from pathlib import Path

import structlog
from django.db import transaction
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from pulls.exports.models import Erasure, Export, ExportFile
from pulls.exports.settle import MANIFEST, canonical, manifest_of
from pulls.exports.stores import FolderStore
from pulls.exports.stores.errors import StoreError

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(minutes=1)


def erase_due() -> int:
    """Work on every erasure that is due; how many are done with."""
    done = 0
    for erasure in Erasure.objects.filter(due_at__lte=timezone.now()).order_by("due_at"):
        try:
            done += _erase(erasure)
        except StoreError as fault:
            log.warning("erasure.put_off", reason=fault.reason)
            erasure.put_off(timezone.now() + RETRY_AFTER)
    return done


def _erase(erasure: Erasure) -> int:
    files = list(ExportFile.objects.filter(spans__patient_ref=erasure.patient_ref).distinct())
    for file in files:
        _erase_from(file, erasure.patient_ref)
    for export in Export.objects.filter(pk__in={file.export_id for file in files}).exclude(manifest_sha256=""):
        _rewrite_manifest(export)
    with transaction.atomic():
        gone, _ = Erasure.objects.filter(pk=erasure.pk).delete()
        if gone:
            record(
                action="exports.erased", by=SYSTEM, organization_id=erasure.organization_id,
                environment=erasure.environment, object_type="patient", object_id=erasure.patient_ref,
                files=len(files),
            )  # fmt: skip
    return gone


@transaction.atomic
def _locked(file: ExportFile) -> ExportFile:
    return ExportFile.objects.select_for_update().select_related("export__destination").get(pk=file.pk)


def _erase_from(file: ExportFile, patient_ref: str) -> None:
    file = _locked(file)
    path = _store(file.export).path(file.path)
    if not path.exists() or (file.next_sha256 and sha256_of(path) == file.next_sha256):
        _note(file, patient_ref, path)
        return
    _store(file.export).forget_drafts(file.path)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
        _copy_without(file, patient_ref, path, draft)
    try:
        file.announce_rewrite(sha256_of(Path(draft.name)))
        Path(draft.name).replace(path)
    finally:
        Path(draft.name).unlink(missing_ok=True)
    _note(file, patient_ref, path)


def _copy_without(file: ExportFile, patient_ref: str, path: Path, draft) -> None:
    """Every line but those of the patient's spans."""
    is_gzip = path.suffix == ".gz"
    old = gzip.open(path, "rb") if is_gzip else open(path, "rb")  # noqa: SIM115
    new = gzip.GzipFile(fileobj=draft, mode="wb", compresslevel=6, mtime=0) if is_gzip else draft
    with old:
        for span in file.spans.all():
            for _ in range(span.lines):
                line = old.readline()
                if span.patient_ref != patient_ref:
                    new.write(line)
    if is_gzip:
        new.close()


@transaction.atomic
def _note(file: ExportFile, patient_ref: str, path: Path) -> None:
    file.spans.filter(patient_ref=patient_ref).delete()
    if path.exists():
        file.rewritten(resources=sum(span.lines for span in file.spans.all()), bytes=path.stat().st_size)


def _rewrite_manifest(export: Export) -> None:
    """The manifest of a folder's run, with the files as they are now."""
    text = canonical(manifest_of(export)).encode()
    _store(export).put(f"{export.folder}/{MANIFEST}", io.BytesIO(text), content_type="application/json")
    export.amend(manifest_sha256=hashlib.sha256(text).hexdigest())


def _store(export: Export) -> FolderStore:
    return FolderStore(export.destination.settings, {})


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
