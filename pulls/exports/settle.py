"""The end of an export, or its pause: manifest, status, event, and the run that follows."""

import hashlib
import io
import json
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from connect.organizations.fields import InstantField
from connect.states import TransitionRefused
from pulls.exports.models import Destination, Export
from pulls.exports.payloads import emit_export
from pulls.exports.queue import queue_run
from pulls.exports.stores import FhirStore
from pulls.exports.stores.errors import StoreError
from pulls.leases import LeaseLost
from webhooks.event_types import EXPORT_COMPLETED, EXPORT_FAILED

log = structlog.get_logger(__name__)

WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=2))
GIVE_UP_AFTER = timedelta(hours=24)
MANIFEST = "manifest.json"
instant = InstantField().to_representation


def settle(export: Export, store) -> None:
    """Everything is there: write the manifest last (contract 5.2), then say so. Raises StoreError, LeaseLost."""
    export.hold()
    export.finished_at = timezone.now()
    text = canonical(manifest_of(export))
    if not isinstance(store, FhirStore):
        store.put(f"{export.folder}/{MANIFEST}", io.BytesIO(text.encode()), content_type="application/json")
    with transaction.atomic():
        export.hold()
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        _close(export, Export.Status.COMPLETED, manifest_sha256=sha256)
        Destination.objects.get(pk=export.destination_id).has_everything_until(export.started_at)
        emit_export(EXPORT_COMPLETED, export)


def wait(export: Export, fault: StoreError) -> None:
    """The destination is away: go on from the last load later, or give up after a day."""
    now = timezone.now()
    give_up_at = export.give_up_at or now + GIVE_UP_AFTER
    if give_up_at <= now:
        return fail(export, fault.reason)
    pause = max(WAITS[min(export.tries, len(WAITS)) - 1], timedelta(seconds=fault.retry_after_seconds or 0))
    try:
        export.move(
            Export.Status.WAITING, only_if=export.mine, due_at=min(now + pause, give_up_at), give_up_at=give_up_at,
            waiting_for=fault.reason[:60], leased_until=None,
        )  # fmt: skip
    except TransitionRefused:
        log.info("export.lease_lost")
    return None


def fail(export: Export, reason: str) -> None:
    """It cannot go on until somebody has looked. What is there stays, and the next run goes on from there."""
    export.finished_at = timezone.now()
    try:
        with transaction.atomic():
            export.hold()
            _close(export, Export.Status.FAILED, error=reason[:60])
            emit_export(EXPORT_FAILED, export)
    except LeaseLost:
        log.info("export.lease_lost")


def _close(export: Export, status: str, **columns) -> None:
    export.move(
        status, only_if={"fence": export.fence}, finished_at=export.finished_at, leased_until=None, waiting_for="",
        **columns,
    )  # fmt: skip
    export.refresh_from_db(fields=["again"])
    if export.again and status == Export.Status.COMPLETED:
        queue_run(export.destination, trigger=export.trigger)


def manifest_of(export: Export) -> dict:
    """What the run brought: each file with its count, size and SHA-256."""
    files = export.files.order_by("resource_type", "number")
    return {
        "resource_type": "export_manifest",
        "export_id": export.pk,
        "destination_id": export.destination_id,
        "trigger": export.trigger,
        "mode": export.mode,
        "started_at": instant(export.started_at),
        "finished_at": instant(export.finished_at),
        "resources": export.resources,
        "gone": export.gone,
        "errors": export.errors,
        "reasons": export.reasons,
        "files": [
            {
                "type": file.resource_type, "path": file.path.rpartition("/")[2], "resources": file.resources,
                "bytes": file.bytes, "sha256": file.sha256,
            }
            for file in files
        ],
    }  # fmt: skip


def canonical(manifest: dict) -> str:
    """Sorted keys, no spaces (RFC 8785 for these values)."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
