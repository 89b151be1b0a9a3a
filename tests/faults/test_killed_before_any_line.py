"""kill -9 before a line of a refresh, a pull, a delivery, an export, and each request of a flow: what it costs.

Each job is done once to see which lines it comes to, and then, on rows of its own, killed before a line and gone on with
as another worker would once the lease has run out. Lines between the same two effects (a statement, a commit, a call)
leave the same world behind, so the suite kills before one line after each effect; `FAULT_LINES=all` kills before every
line there is (`make faults`).
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection as database
from django.utils import timezone

from connect.audit.chain import chain_all
from connect.operations.verify import CHECKS, verify
from pulls.models import Pull
from tests.factories import make_endpoint, make_key
from tests.faults.killed_jobs import JOBS, Job, World
from tests.faults.portal import Portal
from tests.journeys.receiver import Receiver
from webhooks.deliver import drain

ROOT = Path(__file__).resolve().parents[2]
LINES = os.environ.get("FAULT_LINES", "6")
REPORT = os.environ.get("FAULT_LINES_REPORT")
GOES_ON_TIMES = 4
# Processes that report, and the triggers that the test suite does without.
NEEDS_AN_INSTALLATION = ("alive", "audit-guarded")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(database.vendor == "sqlite", reason="another process needs a database it can share"),
    pytest.mark.timeout(7200 if LINES == "all" else 400),
]


@dataclass
class Killer:
    """The process that forks workers on this test's database."""

    process: subprocess.Popen

    def run(self, job: str, before: str | None = None, **what) -> dict:
        self.process.stdin.write(json.dumps({"job": job, "what": what, "before": before}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def killer(transactional_db, tmp_path, settings):
    settings.EXPORTS_DIR = str(tmp_path / "exports")
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + django_settings.DATABASES["default"]["NAME"]
    environment = os.environ | {
        "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings", "LOG_LEVEL": "ERROR",
        "SECRET_KEY": django_settings.SECRET_KEY, "SEALING_KEYS": ",".join(django_settings.SEALING_KEYS),
        "EXPORTS_DIR": settings.EXPORTS_DIR,
    }  # fmt: skip
    environment.pop("REDIS_URL", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.line_killer"], cwd=ROOT, env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield Killer(process)
    process.communicate()


@pytest.fixture
def world(tenant, organization, settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = True
    portal, receiver = Portal(resources=6, page_seconds=0), Receiver()
    secret = make_key(organization)
    endpoint = make_endpoint(tenant, receiver.url)
    receiver.secret = endpoint.secret
    yield World(tenant, portal, receiver, secret)
    portal.close()
    receiver.close()


@dataclass
class Killed:
    """What came of all the kills of one job."""

    outcomes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def kill(self, killer: Killer, job: Job, place: str) -> None:
        what = job.new()
        ended = killer.run(job.job, before=place, **what)["ended"]
        try:
            assert ended in (0, -9), f"the worker ended with {ended}"
            for _ in range(GOES_ON_TIMES):
                if job.is_open(what):
                    killer.run(job.job, **what)
            outcome = job.look(what) if ended else "was not reached"
        except Exception as error:  # noqa: BLE001 - every place is tried, and told of
            self.faults.append(f"{place}: {type(error).__name__} {error}")
        else:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    @property
    def times(self) -> int:
        return sum(self.outcomes.values()) + len(self.faults)


def places(reached: dict[str, int]) -> list[str]:
    """All of them; or the first after each effect, and of these no more than FAULT_LINES, evenly."""
    if LINES == "all":
        return list(reached)
    first = {effects: place for place, effects in reversed(reached.items())}
    after = [first[effects] for effects in sorted(first)]
    step = max(1.0, len(after) / int(LINES))
    return [after[int(n * step)] for n in range(min(len(after), int(LINES)))]


@pytest.mark.parametrize("job_class", JOBS, ids=lambda job_class: job_class.__name__)
def test_killed_before_a_line_nothing_is_lost_and_nothing_happens_twice(world, killer, job_class):
    job = job_class(world)
    what = job.new()
    first = killer.run(job.job, **what)
    assert first["ended"] == 0
    assert job.look(what) == "goes on"
    came_of = Killed()
    for place in places(first["lines"]):
        came_of.kill(killer, job, place)
    assert came_of.faults == []
    assert set(came_of.outcomes) - {"was not reached", "goes on"} <= job.costs
    assert came_of.outcomes["goes on"] > 0
    drain(hot_seconds=0)
    chain_all()
    # What the job has queued for other workers is due from now on, not since it was killed.
    Pull.objects.filter(status__in=Pull.OPEN).update(due_at=timezone.now())
    checks = [check.name for check in CHECKS if check.name not in NEEDS_AN_INSTALLATION]
    assert [(found.check, found.named) for found in verify(checks) if not found.ok] == []
    report(job.name, len(first["lines"]), came_of)


def report(name: str, lines: int, came_of: Killed) -> None:
    """A line of JSON for `tests.faults.lines`."""
    if REPORT:
        with open(REPORT, "a") as file:
            told = {"name": name, "lines": lines, "kills": came_of.times, "outcomes": came_of.outcomes}
            file.write(json.dumps(told) + "\n")
