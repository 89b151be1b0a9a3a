"""What people, API clients and other apps ask of pulls."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from connect.audit.actions import SYSTEM, Actor, record
from connect.background import wake
from connect.errors import ResourceConflict
from connect.organizations.models import Patient
from connect.states import TransitionRefused
from portals.models import Connection
from pulls.exports.erasures import queue_erasure
from pulls.models import Pull, Record, RecordHead
from pulls.retries import SETTLED, lacks_something
from pulls.tasks import run


@transaction.atomic
def queue_pull(*, connection: Connection, trigger: str, by: Actor = SYSTEM, retry_of_id: str | None = None) -> Pull:
    """The connection's open pull, or a new one that is due now. Raises ResourceConflict unless it is active.

    retry_of_id: ask only for what that pull and its retries could not have.
    """
    if not connection.is_active:
        raise ResourceConflict(f"The connection is {connection.status}: the patient must reconnect first")
    pull = open_pull(connection)
    if pull is None:
        try:
            with transaction.atomic():
                pull = Pull.objects.create(
                    organization_id=connection.organization_id, environment=connection.environment,
                    connection=connection, patient_id=connection.patient_id, trigger=trigger, retry_of_id=retry_of_id,
                )  # fmt: skip
        except IntegrityError:  # another request was quicker; there is one open pull a connection
            return open_pull(connection) or queue_pull(
                connection=connection, trigger=trigger, by=by, retry_of_id=retry_of_id
            )
        _audit("pull.queued", pull, by, trigger=trigger)
    wake(run, pull.pk)
    return pull


def open_pull(connection: Connection) -> Pull | None:
    return Pull.objects.filter(connection=connection, status__in=Pull.OPEN).first()


@transaction.atomic
def pull_now(*, connection: Connection, by: Actor) -> Pull:
    """By hand: queue a pull, or have the one that waits for its portal try at once."""
    pull = queue_pull(connection=connection, trigger=Pull.Trigger.MANUAL, by=by)
    if pull.status == Pull.Status.WAITING:
        pull.amend(only_if={"status": Pull.Status.WAITING}, due_at=timezone.now())
    return pull


@transaction.atomic
def retry_failed_types(*, pull: Pull, by: Actor) -> Pull:
    """Ask again only for what a pull could not have: its failed and refused types, and documents and references that
    failed. Answers the new pull (trigger `retry`), or the open one where there is one already.

    Raises ResourceConflict when the pull lacks nothing, was canceled or has not ended, when a later pull has asked since,
    or when the connection is not active.
    """
    settled = Pull.objects.filter(connection_id=pull.connection_id, status__in=SETTLED).order_by("-pk")
    last = settled.first()
    if pull.status not in SETTLED or last is None:
        raise ResourceConflict(f"The pull is {pull.status}: only one that has ended can be retried")
    if last.root_id != pull.root_id:
        raise ResourceConflict(f"A later pull has asked since: retry {last.pk}")
    if not lacks_something(last):
        raise ResourceConflict("Nothing is lacking: the pull and its retries have all they asked for")
    return queue_pull(connection=pull.connection, trigger=Pull.Trigger.RETRY, by=by, retry_of_id=pull.root_id)


@transaction.atomic
def cancel_pull(*, pull: Pull, by: Actor) -> None:
    """Stop an open pull; what it has stored stays. Raises ResourceConflict when it is over."""
    if not cancel(pull, reason="by_request"):
        raise ResourceConflict(f"The pull is {pull.status} already")
    _audit("pull.canceled", pull, by)


def cancel_pulls(*, connection: Connection, reason: str) -> None:
    """Stop the connection's open pull inside the caller's transaction: nothing is written after it commits."""
    for pull in Pull.objects.filter(connection=connection, status__in=Pull.OPEN):
        cancel(pull, reason=reason)


def cancel(pull: Pull, *, reason: str) -> bool:
    """The guarded move; the fence moves too, so that a worker in the middle of a page writes nothing more."""
    try:
        pull.move(
            Pull.Status.CANCELED, finished_at=timezone.now(), error=reason, leased_until=None, fence=pull.fence + 1
        )
    except TransitionRefused:
        return False
    return True


def erase_records(*, patient: Patient) -> int:
    """Delete every record of the patient inside the caller's transaction, and have their lines taken out of our own
    export folders; returns how many records there were."""
    queue_erasure(patient)
    count, _ = Record.objects.filter(patient=patient).delete()
    RecordHead.objects.filter(patient=patient).delete()
    return count


def _audit(action: str, pull: Pull, by: Actor, **detail) -> None:
    record(
        action=action, by=by, organization_id=pull.organization_id, environment=pull.environment,
        object_type="pull", object_id=pull.pk, **detail,
    )  # fmt: skip
