"""`make faults`: the whole matrix, each fault several times, and a table of what came of it.

python -m tests.faults.run [--times 3] [--only "worker"] [--seed 7]
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import services
from tests.faults.installation import Installation
from tests.faults.invariants import Broken, everything_holds
from tests.faults.matrix import FAULTS, Fault
from tests.faults.patients import begin

PATIENTS = 4
WIDTH = 100


def inflict(installation: Installation, fault: Fault, chance: random.Random, *, patients: int = PATIENTS) -> None:
    """Begin some stories, inflict the fault, wait for the ends, and look. Raises Broken, or whatever the fault raises."""
    mark = f"{chance.getrandbits(32):08x}"
    running = begin(installation, [f"p-{mark}-{number}" for number in range(patients)])
    fault.inflict(installation, chance)
    for _, thread in running:
        thread.join(180)
    everything_holds(installation, [story for story, _ in running])


def tried(installation: Installation, fault: Fault, times: int, seed: int) -> tuple[int, str]:
    """How often it went well, and what was wrong otherwise."""
    well, wrong = 0, ""
    for number in range(times):
        try:
            inflict(installation, fault, random.Random(seed + number))
            well += 1
        except (Broken, AssertionError) as error:
            wrong = wrong or str(error).splitlines()[0][:300]
    return well, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    if not services.are_installed():
        print("The matrix needs PostgreSQL's server programs and redis-server.")
        return 1
    os.environ.setdefault("FAULTS_REDIS_GONE_SECONDS", "600" if not asked.only else "30")
    folder, failed = Path(tempfile.mkdtemp(prefix="connect-faults-")), 0
    print(f"seed {asked.seed}; {PATIENTS} patients at a time\n\n{'fault':32} {'times':>5}  {'invariants':11} outcome")
    with Installation(folder) as installation:
        for fault in FAULTS:
            if asked.only in fault.name:
                well, wrong = tried(installation, fault, asked.times, asked.seed)
                failed += well < asked.times
                held = "hold" if well == asked.times else f"{asked.times - well} BROKEN"
                print(f"{fault.name:32} {asked.times:>5}  {held:11} {wrong or fault.outcome}", flush=True)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"\nLogs: {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
