"""What sweeps ask the database is answered by indexes, however many rows there are."""

import pytest
from django.db import connection as database
from django.utils import timezone

from portals import revoke, sweep
from portals.models import Connection, Preflight, Source


@pytest.fixture
def no_table_scans(db):
    """PostgreSQL reads small tables whole; told not to, it shows whether there is another way."""
    if database.vendor == "postgresql":
        with database.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def queries() -> dict:
    now = timezone.now()
    due = Connection.objects.due(now).annotate(portal=sweep.PORTAL).order_by("refresh_due_at")
    active = Connection.objects.filter(status="active")
    return {
        "refreshes_due": due.exclude(portal__in=["a"]).values_list("pk", "portal")[:200],
        "access_ending": active.filter(access_ends_at__lte=now).order_by("access_ends_at")[:200],
        "revocations_due": revoke._due().order_by("due_at")[:200],
        "probes_due": Source.objects.probes_due(now).order_by("probe_due_at")[:200],
        "preflights_due": Preflight.objects.due(now).order_by("due_at")[:200],
    }


@pytest.mark.parametrize("index", list(queries()))
def test_each_sweeps_query_has_its_index(no_table_scans, index):
    assert index in queries()[index].explain()
