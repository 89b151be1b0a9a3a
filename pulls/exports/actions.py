"""What operators and API clients ask of exports."""

from django.db import IntegrityError, transaction

from connect.audit.actions import SYSTEM, Actor, record
from connect.background import wake
from connect.errors import ResourceConflict, StorageError
from pulls.exports.models import Destination, Export
from pulls.exports.queue import queue_run
from pulls.exports.stores import open_store
from pulls.exports.stores.errors import StoreError
from pulls.exports.tasks import run


def check_settings(*, kind: str, settings: dict, credentials: dict) -> None:
    """Write to the place and delete again. Calls out: never inside a transaction. Raises StorageError (contract 1.2)."""
    try:
        open_store(kind, settings, credentials).check()
    except StoreError as fault:
        raise StorageError(f"The destination could not be written: {fault.reason}", param="settings") from None


def test_destination(*, destination: Destination, by: Actor) -> None:
    """The same for a destination that exists. Raises StorageError."""
    outcome = "ok"
    try:
        check_settings(kind=destination.kind, settings=destination.settings, credentials=destination.credentials)
    except StorageError:
        outcome = "failed"
        raise
    finally:
        _audit("export_destination.tested", destination, by, outcome=outcome)


@transaction.atomic
def create_destination(
    *, tenant, name: str, kind: str, settings: dict, credentials: dict, enabled: bool = True, by: Actor
) -> Destination:
    """A destination and, if it is enabled, its first run, of everything. `check_settings` comes first.

    Raises ResourceConflict when the organisation has one of that name.
    """
    destination = Destination(
        organization_id=tenant.organization_id, environment=tenant.environment, name=name, kind=kind,
        settings=settings, enabled=enabled,
    )  # fmt: skip
    destination.credentials = credentials
    try:
        with transaction.atomic():
            destination.save(force_insert=True)
    except IntegrityError:
        raise ResourceConflict("There is a destination of this name", param="name") from None
    _audit("export_destination.created", destination, by, kind=kind)
    if enabled:
        _queue(destination, Export.Trigger.ADDED)
    return destination


@transaction.atomic
def change_destination(*, destination: Destination, by: Actor, **changes) -> None:
    """Change name, settings, credentials or enabled. Enabled again, it catches up from where it was."""
    was_enabled = destination.enabled
    try:
        with transaction.atomic():
            destination.revise(**changes)
    except IntegrityError:
        raise ResourceConflict("There is a destination of this name", param="name") from None
    _audit("export_destination.changed", destination, by, fields=sorted(changes))
    if destination.enabled and not was_enabled:
        _queue(destination, Export.Trigger.ENABLED)


def enable_destination(*, destination: Destination, by: Actor) -> None:
    """Export to it again; it catches up."""
    change_destination(destination=destination, enabled=True, by=by)


def disable_destination(*, destination: Destination, by: Actor) -> None:
    """Start no new run to it; one under way ends."""
    change_destination(destination=destination, enabled=False, by=by)


@transaction.atomic
def start_export(*, destination: Destination, mode: str = Export.Mode.CHANGES, by: Actor) -> Export:
    """A run by hand. Raises ResourceConflict when the destination is disabled, or one is open already."""
    if not destination.enabled:
        raise ResourceConflict("The destination is disabled")
    if Export.objects.filter(destination=destination, status__in=Export.OPEN).exists():
        raise ResourceConflict("An export to this destination is open already")
    export = _queue(destination, Export.Trigger.MANUAL, mode=mode)
    _audit("export.started", destination, by, export_id=export.pk, mode=mode)
    return export


def retry_export(*, export: Export, by: Actor) -> Export:
    """Another run for one that failed: it goes on from what the destination has. Raises ResourceConflict."""
    if export.status != Export.Status.FAILED:
        raise ResourceConflict(f"The export is {export.status}: only a failed one is retried")
    return start_export(destination=export.destination, by=by)


def export_changes(*, tenant) -> None:
    """Queue a run to every enabled destination: something landed. In the transaction in which a pull settles."""
    for destination in Destination.objects.of(tenant).filter(enabled=True):
        _queue(destination, Export.Trigger.PULL)


def _queue(destination: Destination, trigger: str, *, mode: str = Export.Mode.CHANGES) -> Export:
    export = queue_run(destination, trigger=trigger, mode=mode)
    wake(run, export.pk)
    return export


def _audit(action: str, destination: Destination, by: Actor = SYSTEM, **detail) -> None:
    record(
        action=action, by=by, organization_id=destination.organization_id, environment=destination.environment,
        object_type="export_destination", object_id=destination.pk, **detail,
    )  # fmt: skip
