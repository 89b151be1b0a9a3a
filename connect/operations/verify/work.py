"""Due work: nothing waits unclaimed for over a minute, and no lease outlives its worker unseen."""

from collections.abc import Iterator

from django.db.models import QuerySet

from connect.operations import heartbeats
from connect.operations.due_work import backlogs
from connect.operations.retention import overdue_rules
from connect.operations.verify.findings import GRACE, Check
from connect.operations.verify.flows import open_past_their_time

# Flows past their time may wait for a patient who is at a portal; `links-in-time` knows which.
JUDGED_ELSEWHERE = {"flows to expire": open_past_their_time}


def unclaimed() -> Iterator[str]:
    """Kinds of work of which something is due for over a minute."""
    for backlog in backlogs():
        if backlog.age_seconds > GRACE.total_seconds() and not _is_excused(backlog.kind):
            yield f"{backlog.kind}: {backlog.count} due, the oldest for {backlog.age_seconds:.0f} s"


def _is_excused(kind: str) -> bool:
    judge = JUDGED_ELSEWHERE.get(kind)
    found: QuerySet | None = judge() if judge else None
    return found is not None and not found.exists()


def silent() -> Iterator[str]:
    """Beat and the queues' workers that have not been heard of."""
    for sign in heartbeats.signs():
        if not sign.is_alive:
            yield sign.name


CHECKS = (
    Check(
        "nothing-waits", "No work is due and unclaimed for over a minute.", unclaimed,
        "Too few workers, or none: see /health/ready and add processes for the queue named in docs/operations.",
    ),
    Check(
        "alive", "Beat and a worker of every queue were heard of within a minute.", silent,
        "Start it: `bin/connect beat`, or `bin/connect worker` with WORKER_QUEUES naming the queue.",
    ),
    Check(
        "retention", "Nothing is kept for over a day longer than its retention says.", overdue_rules,
        "The job `connect.operations.prune` does not run or does not finish: see the worker of queue `flows`.",
    ),
)  # fmt: skip
