"""What one portal's token endpoint does to the rest: nothing. A circuit a portal, shared by all workers through its row.

Failures in a row open it; after the wait one refresh goes through as a test. A portal that says 429 is left alone for as
long as it asked, and one with a budget of token requests a minute gets them evenly spread.
"""

import random
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from portals.models import Circuit, Source

OPENS_AFTER_FAILURES = 5
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
TEST_TIME = timedelta(seconds=45)


def key_of(source: Source) -> str:
    """Sources of one rate limit group share a circuit; any other has its own."""
    return source.rate_limit_group or source.pk


def open_circuits(now: datetime) -> dict[str, datetime]:
    """Which portals are to be left alone, and until when."""
    return dict(Circuit.objects.filter(open_until__gt=now).values_list("key", "open_until"))


def known() -> set[str]:
    """The portals that ever had a circuit: the others need no look at the table."""
    return set(Circuit.objects.values_list("key", flat=True))


@transaction.atomic
def admit(source: Source, now: datetime) -> datetime | None:
    """None when a refresh may be sent to this portal now, else when to look again.

    A circuit whose wait is over lets one through and closes for the time of that test; a budget hands out slots.
    """
    circuit = _locked(source, must_exist=bool(source.overrides.get("token_requests_per_minute")))
    if circuit is None:
        return None
    if circuit.open_until:
        if circuit.open_until > now:
            return circuit.open_until + _spread(circuit)
        circuit.revise(open_until=now + TEST_TIME)
        return None
    return _slot(circuit, source, now)


def _slot(circuit: Circuit, source: Source, now: datetime) -> datetime | None:
    budget = source.overrides.get("token_requests_per_minute")
    if not budget:
        return None
    slot = max(now, circuit.next_slot_at or now)
    if slot > now + timedelta(seconds=1):
        return slot
    circuit.revise(next_slot_at=slot + timedelta(minutes=1) / budget)
    return None


@transaction.atomic
def note_failure(source: Source, *, reason: str, asked_seconds: float | None = None) -> None:
    """The portal did not answer, or wants to be left alone: after some in a row, or when it asked, the circuit opens."""
    circuit = _locked(source, must_exist=True)
    failures = circuit.failures + 1
    changes: dict = {"failures": failures, "reason": reason}
    if asked_seconds:
        changes["open_until"] = timezone.now() + min(timedelta(seconds=asked_seconds), LONGEST_WAIT)
    elif failures >= OPENS_AFTER_FAILURES:
        wait = min(FIRST_WAIT * 2 ** min(failures - OPENS_AFTER_FAILURES, 10), LONGEST_WAIT)
        changes["open_until"] = timezone.now() + wait * random.uniform(0.8, 1)
    circuit.revise(**changes)


@transaction.atomic
def note_success(source: Source) -> None:
    """The portal answered: close the circuit."""
    circuit = _locked(source)
    if circuit and (circuit.failures or circuit.open_until or circuit.client_fault_by):
        circuit.revise(failures=0, open_until=None, reason="", client_fault_by="")


@transaction.atomic
def note_client_fault(source: Source, *, connection_id: str) -> bool:
    """The portal refused us, not the grant. True when it has now refused for a second connection: it is no one grant's
    fault, and nobody should be sent there (smart-fhir.md 7.5, `ref-invalid-client-all-grants`)."""
    circuit = _locked(source, must_exist=True)
    first = circuit.client_fault_by
    circuit.revise(client_fault_by=first or connection_id, open_until=None, failures=0)
    return bool(first) and first != connection_id


def _locked(source: Source, *, must_exist: bool = False) -> Circuit | None:
    rows = Circuit.objects.select_for_update()
    if must_exist:
        Circuit.objects.get_or_create(key=key_of(source))
    return rows.filter(key=key_of(source)).first()


def _spread(circuit: Circuit) -> timedelta:
    """What waits for a circuit comes back spread out, not in one second."""
    return timedelta(seconds=random.uniform(1, 60))
