"""Webhooks: every change has its event, and every event is delivered or explained."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Count, F, Max, Min, Q, QuerySet
from django.utils import timezone

from connect.operations.verify.findings import Check, overdue
from patientflows.models import PatientFlow
from portals.models import Connection
from pulls.models import Pull
from webhooks import event_types
from webhooks.models import Endpoint, Event

LOOKED_BACK_ROWS = 2000


def pending_without_time() -> QuerySet:
    return Event.objects.filter(status=Event.Status.PENDING, next_attempt_at=None)


def pending_for_nobody() -> QuerySet:
    """Pending at a disabled endpoint for a minute: it should be held."""
    disabled = Endpoint.objects.filter(status=Endpoint.Status.DISABLED, updated_at__lt=overdue())
    pending = Event.objects.filter(status=Event.Status.PENDING, created_at__lt=overdue())
    return pending.filter(endpoint_id__in=disabled.values("pk")).exclude(leased_until__gt=timezone.now())


def unexplained() -> QuerySet:
    """Statuses that the other columns do not bear out."""
    delivered = Q(status=Event.Status.DELIVERED, delivered_at=None)
    given_up = Q(status=Event.Status.EXHAUSTED) & (Q(tries_left__gt=0) | Q(attempts=0))
    held = Q(status=Event.Status.HELD) & ~Q(next_attempt_at=None)
    return Event.objects.filter(delivered | given_up | held)


def without_endpoint() -> QuerySet:
    """Events of a deleted endpoint that the worker has not swept away."""
    return Event.objects.filter(created_at__lt=overdue()).exclude(endpoint_id__in=Endpoint.objects.values("pk"))


def unnumbered() -> QuerySet:
    return Event.objects.filter(sequence=None, created_at__lt=overdue())


def gaps() -> Iterator[str]:
    """Endpoints whose events' numbers have holes, or go past the endpoint's own counter. Pruning takes the oldest."""
    numbered = Event.objects.exclude(sequence=None).values("endpoint_id")
    for row in numbered.annotate(first=Min("sequence"), last=Max("sequence"), count=Count("pk")).order_by():
        counter = Endpoint.objects.filter(pk=row["endpoint_id"]).values_list("last_sequence", flat=True).first()
        if counter is not None and row["last"] > counter:
            yield f"endpoint {row['endpoint_id']}: number {row['last']} was never given"
        if counter is not None and _recent_holes(row["endpoint_id"]):
            yield f"endpoint {row['endpoint_id']}: numbers are missing"


def _recent_holes(endpoint_id: str) -> bool:
    """Whether a number is missing among the latest: settled events are pruned one by one, so old ones may have gone."""
    latest = Event.objects.filter(endpoint_id=endpoint_id).exclude(sequence=None).order_by("-sequence")
    numbers = list(latest.values_list("sequence", "created_at")[:LOOKED_BACK_ROWS])
    since = timezone.now() - timezone.timedelta(days=1)
    recent = [number for number, created_at in numbers if created_at > since]
    return bool(recent) and recent[0] - recent[-1] + 1 != len(recent)


def untold() -> Iterator[str]:
    """Changes since their endpoint was last altered, of which it has no event."""
    for endpoint in Endpoint.objects.filter(status=Endpoint.Status.ACTIVE):
        for type_, rows, path, column in _changes(endpoint):
            if not endpoint.wants(type_):
                continue
            told = Event.objects.filter(endpoint=endpoint, type=type_)
            changed = rows.filter(**{f"{column}__gt": _since(endpoint)}).order_by(f"-{column}")
            for pk in list(changed.values_list("pk", flat=True)[:LOOKED_BACK_ROWS]):
                if not told.filter(**{f"data__object__{path}": pk}).exists():
                    yield f"{rows.model._meta.model_name} {pk}: no {type_} for {endpoint.pk}"


def _since(endpoint: Endpoint) -> datetime:
    return max(endpoint.updated_at, timezone.now() - timezone.timedelta(days=1))


def _changes(endpoint: Endpoint) -> list[tuple[str, QuerySet, str, str]]:
    """`(event type, rows that became so, where the event names the row, when it happened)`."""
    flows, pulls = PatientFlow.objects.of(endpoint), Pull.objects.of(endpoint)
    connections = Connection.objects.of(endpoint)
    return [
        (event_types.PATIENT_FLOW_COMPLETED, flows.filter(status="complete"), "id", "completed_at"),
        (event_types.PATIENT_FLOW_EXPIRED, flows.filter(status="expired"), "id", "updated_at"),
        (event_types.CONNECTION_ACTIVE, connections, "id", "created_at"),
        (event_types.CONNECTION_TOKEN_REFRESH_FAILED, connections.filter(status="refresh_failed"), "id", "failure_at"),
        (event_types.CONNECTION_EXPIRED, connections.filter(status="expired"), "id", "failure_at"),
        (event_types.RECORDS_SYNC_COMPLETED, pulls.filter(status__in=["completed", "partial"]), "pull_id",
         "finished_at"),
        (event_types.RECORDS_SYNC_FAILED, pulls.filter(status="failed"), "pull_id", "finished_at"),
    ]  # fmt: skip


def told_twice() -> Iterator[str]:
    """The same fact told to one endpoint by two events: a pull ends once, a flow completes once."""
    once = {
        event_types.PATIENT_FLOW_COMPLETED: "data__object__id",
        event_types.PATIENT_FLOW_EXPIRED: "data__object__id",
        event_types.RECORDS_SYNC_COMPLETED: "data__object__pull_id",
        event_types.RECORDS_SYNC_FAILED: "data__object__pull_id",
    }
    for type_, path in once.items():
        rows = Event.objects.filter(type=type_).exclude(**{path: None}).values("endpoint_id", about=F(path))
        for row in rows.annotate(times=Count("pk")).filter(times__gt=1).order_by():
            yield f"{type_} of {row['about']} for {row['endpoint_id']}: {row['times']} events"


CHECKS = (
    Check(
        "changes-are-told", "Every change of the last day has its event at every endpoint that wants it.", untold,
        "This must never happen: event and change commit together. Look at what wrote the row named.",
    ),
    Check(
        "told-once", "A flow's end and a pull's end are told once to an endpoint.", told_twice,
        "Receivers that keep event ids will have taken both. Look at what moved the row named twice.",
    ),
    Check(
        "events-explained", "An event's status agrees with its times and attempts.", unexplained,
        "Redeliver it in the admin (Events → Redeliver).",
    ),
    Check(
        "events-come-round", "A pending event has a time for its next attempt.", pending_without_time,
        "Redeliver it in the admin (Events → Redeliver).",
    ),
    Check(
        "held-while-disabled", "A disabled endpoint's events are held.", pending_for_nobody,
        "The sweep `webhooks.deliver_due` does not run: see /health/ready for beat and the worker of queue `webhooks`.",
    ),
    Check(
        "events-have-endpoints", "No event outlives its endpoint.", without_endpoint,
        "The sweep `webhooks.deliver_due` does not run: see /health/ready for beat and the worker of queue `webhooks`.",
    ),
    Check(
        "events-numbered", "Every event has its number within a minute.", unnumbered,
        "The sweep `webhooks.deliver_due` does not run: see /health/ready for beat and the worker of queue `webhooks`.",
    ),
    Check(
        "no-gaps", "The numbers of the last day's events have no gaps.", gaps,
        "Rows were deleted past the code; tell the endpoint's owner which numbers are missing.",
    ),
)  # fmt: skip
