"""Sealing keys are rotated under load, as docs/operations/keys.md says: nobody notices, also when `reseal` is killed.

The installation runs and patients come through while a key is added behind, put in front, everything is sealed anew (the
command is killed half-way and started again), and the old key is taken out.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from connect.embedded import new_secrets
from tests.faults import services
from tests.faults.installation import NAME, ROOT, Installation
from tests.faults.invariants import everything_holds
from tests.faults.matrix import restart_one_after_the_other
from tests.faults.patients import begin

pytestmark = [
    pytest.mark.skipif(not os.environ.get("DATABASE_URL"), reason="runs with the PostgreSQL suite"),
    pytest.mark.skipif(not services.are_installed(), reason="PostgreSQL's server programs or Redis are not installed"),
    pytest.mark.timeout(600),
]
PATIENTS = 800
# Each of them has a data key of its own, sealed.
MANY_PATIENTS = f"""
from connect.organizations.models import Organization, Patient
organization = Organization.objects.get()
for number in range({PATIENTS}):
    Patient.objects.create(organization=organization, environment="sandbox", patient_id=f"many-{{number}}")
"""
SEALED_BY = "SELECT encode(substring(key FROM 2 FOR 4), 'hex'), count(*) FROM organizations_datakey GROUP BY 1"


@pytest.fixture
def installation():
    folder = Path(tempfile.mkdtemp(prefix="connect-reseal-"))
    with Installation(folder) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def sealed_by(installation: Installation) -> dict[str, int]:
    """Key id → data keys that it seals."""
    return dict(installation.cluster.execute(NAME, SEALED_BY))


def deploy_with(installation: Installation, *keys: str) -> None:
    """A rolling restart with this SEALING_KEYS."""
    installation.environment["SEALING_KEYS"] = ",".join(keys)
    for process in installation.processes:
        process.environment["SEALING_KEYS"] = installation.environment["SEALING_KEYS"]
    restart_one_after_the_other(installation)


def reseal_and_be_killed(installation: Installation) -> None:
    """kill -9 once five hundred data keys are done."""
    running = subprocess.Popen(
        [sys.executable, "-u", "-W", "ignore", "manage.py", "reseal"], cwd=ROOT, env=installation.environment,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in running.stdout:
        if line.startswith("organizations.DataKey.key: 500 of "):
            running.kill()
            break
    running.wait()
    running.stdout.close()
    assert running.returncode == -9


def test_keys_are_rotated_under_load_and_a_killed_reseal_goes_on(installation):
    installation.manage("shell", "--no-imports", "-c", MANY_PATIENTS)
    old, new = installation.environment["SEALING_KEYS"], new_secrets()["sealing_key"]
    old_id, new_id = (key.partition(":")[0] for key in (old, new))
    stories = begin(installation, ["before-1", "before-2"])
    deploy_with(installation, old, new)
    stories += begin(installation, ["between-1", "between-2"])
    deploy_with(installation, new, old)

    stories += begin(installation, ["during-1", "during-2"])
    reseal_and_be_killed(installation)
    assert sealed_by(installation).keys() == {old_id, new_id}, "half-way, both keys are needed"
    stories += begin(installation, ["during-3"])
    done = installation.manage("reseal")
    assert "Everything is sealed with the newest key" in done.stdout
    for _, thread in stories:
        thread.join(120)
    assert sealed_by(installation).keys() == {new_id}

    deploy_with(installation, new)
    stories += begin(installation, [f"after-{random.getrandbits(16)}"])
    stories[-1][1].join(120)
    everything_holds(installation, [story for story, _ in stories])
    assert "CannotOpen" not in installation.logs()
