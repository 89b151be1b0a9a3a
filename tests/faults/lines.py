"""`make faults`, second part: killed before every line of each kind of work, on a cluster of its own.

python -m tests.faults.lines [--only Refresh]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults import services
from tests.faults.services import Cluster

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/faults/test_killed_before_any_line.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="part of a class's name in tests/faults/killed_jobs.py")
    parser.add_argument("--lines", default="all", help="before how many lines of each, evenly")
    asked = parser.parse_args()
    if not services.are_installed():
        print("Killing before every line needs PostgreSQL's server programs.")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="connect-lines-"))
    cluster, report = Cluster(folder), folder / "report"
    cluster.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", "--tb=short", "--show-capture=no", TESTS, "-k", asked.only],
            cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": cluster.url("connect"),
                              "FAULT_LINES": asked.lines,
                              "FAULT_LINES_REPORT": str(report)},
        )  # fmt: skip
    finally:
        cluster.stop("immediate")
    print(f"{'killed -9 before a line of':38} {'lines':>6} {'kills':>6}  outcomes")
    for line in report.read_text().splitlines() if report.exists() else ():
        told = json.loads(line)
        outcomes = ", ".join(f"{outcome}: {times}" for outcome, times in sorted(told["outcomes"].items()))
        print(f"{told['name']:38} {told['lines']:>6} {told['kills']:>6}  {outcomes}")
    if done.returncode:
        print(done.stdout[-6000:])
    shutil.rmtree(folder, ignore_errors=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
