"""Making a run, or having the open one take what is new."""

from django.db import IntegrityError, transaction

from pulls.exports.models import Destination, Export


def queue_run(destination: Destination, *, trigger: str, mode: str = Export.Mode.CHANGES) -> Export:
    """The destination's next run, inside the caller's transaction. While one is open, another follows it."""
    export = open_run(destination)
    if export is None:
        try:
            with transaction.atomic():
                return Export.objects.create(
                    organization_id=destination.organization_id, environment=destination.environment,
                    destination=destination, trigger=trigger, mode=mode,
                )  # fmt: skip
        except IntegrityError:  # another was quicker; there is one open run a destination
            export = open_run(destination)
    if export is None or not export.amend(only_if={"status__in": Export.OPEN}, again=True):
        return queue_run(destination, trigger=trigger, mode=mode)
    return export


def open_run(destination: Destination) -> Export | None:
    return Export.objects.filter(destination=destination, status__in=Export.OPEN).first()
