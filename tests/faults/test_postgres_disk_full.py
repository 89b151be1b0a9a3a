"""PostgreSQL's disk is full: what was asked for in the meantime did not happen or did, and with room everything goes on."""

import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest
import requests

from tests.faults import services
from tests.faults.installation import NAME, Installation
from tests.faults.invariants import everything_holds
from tests.faults.patients import begin
from tests.faults.services import SmallDisk

pytestmark = [
    pytest.mark.skipif(not os.environ.get("DATABASE_URL"), reason="runs with the PostgreSQL suite"),
    pytest.mark.skipif(not services.are_installed(), reason="PostgreSQL's server programs or Redis are not installed"),
    pytest.mark.timeout(400),
]
FULL_SECONDS = 8
A_LOT = {"note": "x" * 12_000}


@pytest.fixture
def disk():
    if not SmallDisk.is_allowed():
        pytest.skip("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="connect-disk-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    with SmallDisk(folder / "disk", 400) as small:
        yield small
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def installation(disk):
    with Installation(disk.folder.parent, disk=disk.folder) as running:
        yield running


def write_a_lot(installation: Installation, numbers: range) -> list[int]:
    """Statuses of requests that need room, each with an Idempotency-Key of its own."""
    found = []
    for number in numbers:
        name = f"full-{number}"
        try:
            answer = installation.ask(
                "POST", "/patients", {"patient_id": name, "metadata": A_LOT}, headers={"Idempotency-Key": name}
            )
            found.append(answer.status_code)
        except requests.RequestException:
            found.append(0)
    return found


def test_a_full_disk_costs_time_and_nothing_else(installation, disk):
    stories = begin(installation, [f"p-{number}" for number in range(3)])
    disk.fill()
    refused = []
    until = time.monotonic() + FULL_SECONDS
    while time.monotonic() < until or not any(status == 500 for status in refused):
        assert time.monotonic() < until + 60, "the disk was not full"
        disk.fill()  # what the server gave back is taken again
        refused += write_a_lot(installation, range(len(refused), len(refused) + 5))
    assert requests.get(f"{installation.base_url}/health", timeout=10).status_code == 200
    disk.make_room()
    if not installation.cluster.is_up:  # without room for its log PostgreSQL stops, and recovers when it is started
        installation.cluster.start()

    assert set(write_a_lot(installation, range(len(refused)))) == {200}, "repeated with room, each has happened once"
    count = "SELECT count(*) FROM organizations_patient WHERE patient_id LIKE 'full-%'"
    assert installation.cluster.execute(NAME, count) == [(len(refused),)]
    for _, thread in stories:
        thread.join(180)
    everything_holds(installation, [story for story, _ in stories])
