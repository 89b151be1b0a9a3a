"""The refresh engine on rows for an hour of frozen time; the portals are simulated where the request would go out."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import time_machine
from django.utils import timezone

from bench import world
from bench.report import Figure
from portals import sweep
from portals.exchanges import Answer, Request
from portals.models import Connection
from portals.smart.errors import PortalUnavailable
from portals.smart.tokens import TokenResponse

START = datetime(2026, 4, 25, tzinfo=UTC)
PORTALS = 10


class SimulatedPortals:
    """Answers every refresh but those of the dead source, and counts."""

    def __init__(self, dead_id: str):
        self.dead_id, self.sent, self.late = dead_id, Counter(), 0

    def ask(self, request: Request) -> Answer:
        connection = request.connection
        self.sent[connection.source_id, timezone.now()] += 1
        if connection.source_id == self.dead_id:
            return Answer(request, error=PortalUnavailable("connect_timeout"))
        self.late += connection.access_expires_at <= timezone.now()
        return Answer(request, tokens=TokenResponse("at", 3600))


def measure(rows: int) -> list[Figure]:
    """One figure a question: how fast, how spread, what the dead portal gets, what it does to the others."""
    with time_machine.travel(START, tick=False):
        dead = _connections(rows)
    portals = SimulatedPortals(dead)
    sweep.ask, asked = portals.ask, sweep.ask
    try:
        for minute in range(60, 120):
            with time_machine.travel(START + timedelta(minutes=minute), tick=False):
                sweep.refresh_due(round_seconds=120)
    finally:
        sweep.ask = asked
    with time_machine.travel(START + timedelta(minutes=120), tick=False):
        plan = plans()
    others = sum(count for (source_id, _), count in portals.sent.items() if source_id != dead)
    to_dead = sum(count for (source_id, _), count in portals.sent.items() if source_id == dead)
    by_index = all("Index" in each and "Seq Scan on portals_connection" not in each for each in plan.values())
    return [
        Figure(f"an hour of {rows:,} rows: refreshed at living portals", f"{others:,}"),
        Figure("  of them after their token had lapsed", f"{portals.late:,}", target="0", reached=portals.late == 0),
        Figure(f"  requests to the dead portal, {rows // 5:,} connections", f"{to_dead:,}", target="< 40",
               reached=to_dead < 40),
        Figure("  queries answered by an index", ", ".join(plan), target="all", reached=by_index),
    ]  # fmt: skip


def _connections(rows: int) -> str:
    """Rows whose first refresh is due within the hour after START; the id of the dead portal."""
    tenant, _ = world.organization()
    sources = [world.source(f"https://p{number}.example.org/fhir") for number in range(PORTALS)]
    dead = sources[0]
    for number in range(rows):
        at = dead if number % 5 == 0 else sources[1 + number % (PORTALS - 1)]
        world.connection_of(world.patient(tenant, f"day-{number}"), at)
    step = timedelta(hours=1) / rows
    for number, pk in enumerate(Connection.objects.of(tenant).values_list("pk", flat=True)):
        due = START + timedelta(hours=1) + step * number
        Connection.objects.filter(pk=pk).update(refresh_due_at=due, access_expires_at=due + timedelta(minutes=10))
    world.analyze()
    return dead.pk


def plans() -> dict[str, str]:
    """PostgreSQL's plans of what a look asks for."""
    now = timezone.now()
    due = Connection.objects.due(now).annotate(portal=sweep.PORTAL).order_by("refresh_due_at")
    ending = Connection.objects.filter(status="active", access_ends_at__lte=now).order_by("access_ends_at")
    looked = {
        "due": due.values_list("pk", "portal")[: sweep.BATCH],
        "due but for some portals": due.exclude(portal__in=["a", "b"]).values_list("pk", "portal")[: sweep.BATCH],
        "ending": ending[: sweep.ENDING_BATCH],
    }
    return {name: rows.explain() for name, rows in looked.items()}
