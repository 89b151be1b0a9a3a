"""What one portal's token endpoint does to the rest: nothing. A circuit a portal, shared by all workers through its row.

Failures in a row open it; after the wait one refresh goes through as a test. A portal that says 429 is left alone for as
long as it asked, and one with a budget of token requests a minute gets them evenly spread. A registration has a circuit
of its own, for portals that refuse our app and not the grant.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from portals.models import Circuit, Connection, Registration, Source

OPENS_AFTER_FAILURES = 5
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
# A test that brought no verdict in this time (its worker died) is followed by another.
TEST_TIME = timedelta(seconds=45)
SLOT_TOLERANCE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rest:
    """How long a portal is to be left alone, and its budget of token requests a minute if it has one."""

    until: datetime
    per_minute: int | None = None


def key_of(source: Source) -> str:
    """Sources of one rate limit group share a circuit; any other has its own."""
    return source.rate_limit_group or source.pk


def resting(now: datetime) -> dict[str, Rest]:
    """Which portals are to be left alone: their circuit is open, or their budget is spent for the moment."""
    shut = Circuit.objects.filter(Q(open_until__gt=now) | Q(next_slot_at__gt=now + SLOT_TOLERANCE))
    return {row.key: _rest(row, now) for row in shut}


def _rest(circuit: Circuit, now: datetime) -> Rest:
    if circuit.open_until and circuit.open_until > now:
        return Rest(circuit.open_until)
    return Rest(circuit.next_slot_at or now, circuit.per_minute)


def known() -> set[str]:
    """The portals and registrations that ever had a circuit: the others need no look at the table."""
    return set(Circuit.objects.values_list("key", flat=True))


def admit(connection: Connection, now: datetime, known: set[str]) -> datetime | None:
    """None when this connection's refresh may be sent now, else when to look again.

    A circuit whose wait is over lets one through and closes for the time of that test; a budget hands out slots.
    """
    source, budget = connection.source, connection.source.overrides.get("token_requests_per_minute")
    if connection.registration_id in known:
        if wait := _pass(connection.registration_id, connection.pk, now):
            return wait
    if budget or key_of(source) in known:
        return _pass(key_of(source), connection.pk, now, budget=budget)
    return None


@transaction.atomic
def _pass(key: str, connection_id: str, now: datetime, *, budget: int | None = None) -> datetime | None:
    circuit = _locked(key, must_exist=bool(budget))
    if circuit is None:
        return None
    if circuit.open_until:
        if circuit.open_until > now:
            return circuit.open_until + _spread()
        circuit.revise(open_until=now + TEST_TIME, tested_by=connection_id)
        return None
    return _slot(circuit, budget, now) if budget else None


def _slot(circuit: Circuit, budget: int, now: datetime) -> datetime | None:
    slot = max(now, circuit.next_slot_at or now)
    if slot > now + SLOT_TOLERANCE:
        return slot
    circuit.revise(next_slot_at=slot + timedelta(minutes=1) / budget, per_minute=budget)
    return None


@transaction.atomic
def note_failure(connection: Connection, *, reason: str, asked_seconds: float | None = None) -> bool:
    """The portal did not answer, or wants to be left alone: after some in a row, or when it asked, the circuit opens.
    True when it opened for its silence: then its discovery document is worth another look.

    What was under way when it opened says nothing new; only a failed test makes the wait longer.
    """
    now = timezone.now()
    circuit = _locked(key_of(connection.source), must_exist=True)
    is_late = circuit.open_until and circuit.open_until > now and circuit.tested_by != connection.pk
    if is_late and not asked_seconds:
        return False
    failures = circuit.failures + (0 if is_late else 1)
    changes: dict = {"failures": failures, "reason": reason, "tested_by": ""}
    if asked_seconds:
        changes["open_until"] = max(now + timedelta(seconds=asked_seconds), circuit.open_until or now)
    elif failures >= OPENS_AFTER_FAILURES:
        wait = min(FIRST_WAIT * 2 ** min(failures - OPENS_AFTER_FAILURES, 10), LONGEST_WAIT)
        changes["open_until"] = now + wait * random.uniform(0.8, 1)
    circuit.revise(**changes)
    return "open_until" in changes and not asked_seconds


@transaction.atomic
def note_answer(connection: Connection, *, accepted: bool) -> None:
    """The portal answered: close its circuit. `accepted`: it took our app for ours, so close the registration's too."""
    for key in [key_of(connection.source)] + [connection.registration_id] * accepted:
        circuit = _locked(key)
        if circuit and (circuit.failures or circuit.open_until or circuit.client_fault_by):
            circuit.revise(failures=0, open_until=None, reason="", client_fault_by="", tested_by="")


@transaction.atomic
def note_client_fault(connection: Connection) -> str | None:
    """The portal refused us, not the grant. Returns the connection that it refused before this one, since it last
    accepted our app: itself, another (then it is no one grant's fault), or None."""
    circuit = _locked(connection.registration_id, must_exist=True)
    first = circuit.client_fault_by
    circuit.revise(client_fault_by=first or connection.pk)
    return first or None


@transaction.atomic
def open_for(registration: Registration, *, until: datetime, reason: str) -> None:
    """Send nothing under this registration before then."""
    _locked(registration.pk, must_exist=True).revise(open_until=until, reason=reason, tested_by="")


def _locked(key: str, *, must_exist: bool = False) -> Circuit | None:
    if must_exist:
        Circuit.objects.get_or_create(key=key)
    return Circuit.objects.select_for_update().filter(key=key).first()


def _spread() -> timedelta:
    """What waits for a circuit comes back spread out, not in one second."""
    return timedelta(seconds=random.uniform(1, 60))
