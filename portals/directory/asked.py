"""Updates of directories that people ask for, done by workers: a list of tens of thousands is no work for a request.

The list is kept with the row from comparing to importing, so that what was looked at is what comes, on whatever host.
"""

import gzip
import io
from typing import BinaryIO

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from connect.audit.actions import Actor, record
from connect.errors import ResourceConflict
from connect.outbound import OutboundError
from connect.states import TransitionRefused
from portals.directory.diff import Diff, DropRefused
from portals.directory.entries import DirectoryUnreadable
from portals.directory.fetching import FetchFailed, fetched
from portals.directory.updating import update
from portals.models import Directory, DirectoryUpdate

log = structlog.get_logger(__name__)

SHOWN = 50
GZIP = b"\x1f\x8b"
FORESEEN = (DirectoryUnreadable, DropRefused, FetchFailed, OutboundError)


@transaction.atomic
def ask(*, directory: Directory, by: Actor, file: BinaryIO | None = None) -> DirectoryUpdate:
    """Have the list compared: `file`, or what is at the directory's URL. One that was compared before is dropped.

    Raises ResourceConflict while another is being worked on.
    """
    for earlier in DirectoryUpdate.objects.filter(directory=directory, status=DirectoryUpdate.Status.COMPARED):
        earlier.finish(DirectoryUpdate.Status.DROPPED)
    try:
        with transaction.atomic():
            asked = DirectoryUpdate.objects.create(
                directory=directory, actor_kind=by.kind, actor=by.name, address=by.address,
                brought=_packed(file.read()) if file else None,
            )  # fmt: skip
    except IntegrityError:
        raise ResourceConflict("An update of this directory is being worked on already") from None
    _audit("directory.update_asked", asked, by)
    return asked


@transaction.atomic
def approve(*, asked: DirectoryUpdate, by: Actor, force: bool = False) -> None:
    """Have what was compared imported. Raises ResourceConflict where that is not possible any more, or needs `force`."""
    if asked.drop and not force:
        raise ResourceConflict(asked.drop)
    try:
        asked.approve(is_forced=force, actor_kind=by.kind, actor=by.name, address=by.address)
    except TransitionRefused:
        raise ResourceConflict(f"It is {asked.status}: only what was compared can be imported") from None
    _audit("directory.update_approved", asked, by, forced=force)


@transaction.atomic
def drop(*, asked: DirectoryUpdate, by: Actor) -> None:
    """Leave the catalogue as it is. Raises ResourceConflict."""
    try:
        asked.finish(DirectoryUpdate.Status.DROPPED)
    except TransitionRefused:
        raise ResourceConflict(f"It is {asked.status}") from None
    _audit("directory.update_dropped", asked, by)


def work_due() -> None:
    """Compare and import what is due, one after the other. A worker that dies leaves it to the next one."""
    now = timezone.now()
    for asked in DirectoryUpdate.objects.due(now).select_related("directory").order_by("due_at"):
        if asked.claim(now):
            _work(asked)


def _work(asked: DirectoryUpdate) -> None:
    asked.refresh_from_db()
    try:
        if asked.tries > DirectoryUpdate.TRIES:
            asked.finish(DirectoryUpdate.Status.FAILED, problem="Every worker that took it died on it.")
        elif asked.status == DirectoryUpdate.Status.COMPARING:
            _compare(asked)
        elif asked.status == DirectoryUpdate.Status.IMPORTING:
            _import(asked)
    except FORESEEN as problem:
        told = getattr(problem, "detail", "") or str(problem)
        log.warning("directory.update_failed", update_id=asked.pk, error=type(problem).__name__)
        asked.finish(DirectoryUpdate.Status.FAILED, problem=told)
    except TransitionRefused:
        log.info("directory.update_taken_over", update_id=asked.pk)


def _compare(asked: DirectoryUpdate) -> None:
    if asked.brought is None:
        with fetched(asked.directory.url) as answer:
            asked.keep(_packed(answer.file.read()), etag=answer.etag)
    changes = update(directory=asked.directory, by=_actor(asked), file=_opened(asked), dry_run=True).changes
    asked.compared(counts=changes.counts(), shown=_shown(changes), drop=_refusal(changes), is_empty=changes.is_empty)


def _import(asked: DirectoryUpdate) -> None:
    update(
        directory=asked.directory, by=_actor(asked), file=_opened(asked), etag=asked.etag, force=asked.is_forced
    )  # fmt: skip
    asked.finish(DirectoryUpdate.Status.IMPORTED)


def _refusal(changes: Diff) -> str:
    try:
        changes.check()
    except DropRefused as problem:
        return str(problem)
    return ""


def _shown(changes: Diff) -> list[dict]:
    """Of each kind of change how many there are, and the first few in words."""
    kinds = (
        ("New portals", [f"{one.name} · {one.fhir_base_url}" for one in changes.sources_added[:SHOWN]], len(changes.sources_added)),
        ("Changed portals", [f"{one.source.name}: {', '.join(one.changed)}" for one in changes.sources_changed[:SHOWN]],
         len(changes.sources_changed)),
        ("Withdrawn portals", changes.sources_withdrawn[:SHOWN], len(changes.sources_withdrawn)),
        ("Left out", [f"{one.place}: {one.reason} {one.detail}".strip() for one in changes.bad[:SHOWN]], len(changes.bad)),
        ("Warnings", [f"{one.place}: {one.reason} {one.detail}".strip() for one in changes.warnings[:SHOWN]],
         len(changes.warnings)),
    )  # fmt: skip
    return [{"title": title, "count": count, "lines": lines} for title, lines, count in kinds if count]


def _packed(content: bytes) -> bytes:
    return content if content.startswith(GZIP) else gzip.compress(content, compresslevel=6)


def _opened(asked: DirectoryUpdate) -> BinaryIO:
    return io.BytesIO(bytes(asked.brought))


def _actor(asked: DirectoryUpdate) -> Actor:
    return Actor(asked.actor_kind, asked.actor, asked.address)


def _audit(action: str, asked: DirectoryUpdate, by: Actor, **detail) -> None:
    record(
        action=action, by=by, environment=asked.directory.environment, object_type="directory_update",
        object_id=asked.pk, directory=asked.directory.name, **detail,
    )  # fmt: skip
