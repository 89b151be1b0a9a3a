"""The short form of the matrix (`make faults` runs all of it): the faults that bite most often, once each, in one
installation with PostgreSQL and Redis of its own.

It runs once in a suite of two engines: where DATABASE_URL names PostgreSQL.
"""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.faults import services
from tests.faults.installation import NAME, Installation
from tests.faults.invariants import Broken, everything_holds
from tests.faults.matrix import FAULTS
from tests.faults.patients import begin
from tests.faults.run import inflict

pytestmark = [
    pytest.mark.skipif(not os.environ.get("DATABASE_URL"), reason="runs with the PostgreSQL suite"),
    pytest.mark.skipif(not services.are_installed(), reason="PostgreSQL's server programs or Redis are not installed"),
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def installation():
    folder = Path(tempfile.mkdtemp(prefix="connect-faults-"))
    with Installation(folder) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.is_short], ids=lambda fault: fault.name)
def test_after_it_everything_still_holds(installation, fault):
    inflict(installation, fault, random.Random(fault.name), patients=2)


def test_damage_would_be_noticed(installation):
    """The invariants can fail: one record less, and they do."""
    ((story, thread),) = begin(installation, ["p-damaged"])
    thread.join(120)
    everything_holds(installation, [story])
    taken = "DELETE FROM pulls_record WHERE resource_id = 'p-damaged-3' AND resource_type = 'Condition'"
    installation.cluster.execute(NAME, taken)
    with pytest.raises(Broken, match="79 of 80 resources"):
        everything_holds(installation, [story])
