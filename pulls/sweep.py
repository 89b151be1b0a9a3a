"""Finding what is due: connections whose next pull has come, and open pulls that nobody works on."""

import structlog
from django.core.cache import cache
from django.db import close_old_connections, transaction
from django.utils import timezone

from connect.audit.actions import SYSTEM, record
from connect.errors import ResourceConflict
from portals.models import Connection
from pulls.models import Pull
from pulls.run import run_pull

log = structlog.get_logger(__name__)

BATCH = 100
OFFER_SECONDS = 30


def queue_scheduled() -> int:
    """Make a pull for every active connection whose time has come; of two sweeps one makes it."""
    now = timezone.now()
    ready = Connection.objects.filter(status=Connection.Status.ACTIVE, next_pull_at__lte=now)
    made = 0
    for connection in ready.order_by("next_pull_at")[:BATCH]:
        with transaction.atomic():
            if connection.amend(only_if={"next_pull_at": connection.next_pull_at}, next_pull_at=None):
                made += _queue(connection)
    return made


def _queue(connection: Connection) -> int:
    if Pull.objects.filter(connection=connection, status__in=Pull.OPEN).exists():
        return 0
    last = Pull.objects.filter(connection=connection).order_by("-pk").first()
    is_retry = last is not None and last.is_to_be_retried
    trigger = Pull.Trigger.RETRY if is_retry else Pull.Trigger.SCHEDULE
    pull = Pull.objects.create(
        organization_id=connection.organization_id, environment=connection.environment, connection=connection,
        patient_id=connection.patient_id, trigger=trigger, retry_of_id=last.root_id if is_retry else None,
    )  # fmt: skip
    record(
        action="pull.queued", by=SYSTEM, organization_id=pull.organization_id, environment=pull.environment,
        object_type="pull", object_id=pull.pk, trigger=trigger,
    )  # fmt: skip
    return 1


def due_pulls() -> list[str]:
    """The ids of open pulls that are due and free, the longest due first; each is offered twice a minute at most, so
    that busy workers find no pile of repeated messages."""
    ids = Pull.due(timezone.now()).order_by("due_at").values_list("pk", flat=True)[:BATCH]
    return [pull_id for pull_id in ids if cache.add(f"pull-offered:{pull_id}", 1, timeout=OFFER_SECONDS)]


def run_one(pull_id: str) -> None:
    """A worker's doorway: run the pull; whatever goes wrong, its lease runs out and the next sweep finds it."""
    try:
        run_pull(pull_id)
    except ResourceConflict:
        log.info("pull.conflict", pull_id=pull_id)
    finally:
        close_old_connections()
