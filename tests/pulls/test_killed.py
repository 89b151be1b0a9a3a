"""kill -9 at random moments of a pull: the worker that goes on loses nothing and stores nothing twice.

`KILLS=100` does it a hundred times; the suite a few.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.conf import settings as django_settings
from django.db import connection as database

from pulls.actions import queue_pull
from pulls.models import Pull, Record, RecordHead
from tests.pulls.conftest import make_patient
from tests.pulls.scripted import ScriptedPortal, bundle, fhir, observation

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("KILLS", "4"))
PAGES, PER_PAGE = 12, 25
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(database.vendor == "sqlite", reason="another process needs a database it can share"),
    pytest.mark.timeout(120 + 15 * KILLS),
]


@pytest.fixture
def workers(transactional_db):
    """A process that forks workers on this test's database."""
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + django_settings.DATABASES["default"]["NAME"]
    environment = os.environ | {
        "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "ERROR",
        "SECRET_KEY": django_settings.SECRET_KEY, "SEALING_KEYS": ",".join(django_settings.SEALING_KEYS),
    }  # fmt: skip
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.pulls.killed_worker"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield parent
    parent.communicate()


def start(workers) -> int:
    """A new worker's pid."""
    workers.stdin.write("go\n")
    workers.stdin.flush()
    return int(workers.stdout.readline())


def slow_pages(portal: ScriptedPortal) -> None:
    """Pages that take a moment each, and a practitioner for every page."""

    def answer(request):
        time.sleep(0.02)
        number = int(request.parameters.get("page", ["1"])[0])
        following = f"{portal.base}/Observation?page={number + 1}" if number < PAGES else None
        performer = [{"reference": f"Practitioner/dr-{number}"}]
        resources = [observation(f"o-{number}-{n}", performer=performer) for n in range(PER_PAGE)]
        return fhir(bundle(*resources, total=PAGES * PER_PAGE, following=following))

    portal.on("/fhir/Observation", answer)
    for number in range(1, PAGES + 1):
        portal.on(f"/fhir/Practitioner/dr-{number}", fhir({"resourceType": "Practitioner", "id": f"dr-{number}"}))


def kill_when_it_has_begun(workers, portal: ScriptedPortal, after_seconds: float) -> bool:
    """Start a worker and kill it so long after its first call; False when it was done by then."""
    asked = len(portal.requests)
    pid = start(workers)
    deadline = time.monotonic() + 30
    while len(portal.requests) == asked and psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(after_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    ended = int(workers.stdout.readline())
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def test_killed_at_random_moments_nothing_is_lost_and_nothing_twice(tenant, connected, workers):
    with ScriptedPortal() as portal:
        slow_pages(portal)
        kills = number = 0
        while kills < KILLS:
            number += 1
            connection = connected(portal=portal, patient=make_patient(tenant, f"k-{number}"))
            pull = queue_pull(connection=connection, trigger=Pull.Trigger.MANUAL)
            while kills < KILLS and kill_when_it_has_begun(workers, portal, random.uniform(0, 0.8)):
                kills += 1
            start(workers)
            assert int(workers.stdout.readline()) == 0
            assert_equal_to_one_clean_pull(pull)


def assert_equal_to_one_clean_pull(pull: Pull) -> None:
    pull.refresh_from_db()
    assert (pull.status, pull.errors) == ("completed", 0)
    expected = PAGES * PER_PAGE + PAGES + 1
    positions = sorted(Record.objects.filter(patient=pull.patient).values_list("position", flat=True))
    assert positions == list(range(1, expected + 1))
    assert pull.total == expected
    assert RecordHead.objects.get(patient=pull.patient).position == expected
    search = pull.searches.get(resource_type="Observation")
    assert (search.pages, search.fetched, search.stored, search.unchanged) == (PAGES, 300, 300, 0)
