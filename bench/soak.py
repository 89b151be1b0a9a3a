"""A steady load for an hour on PostgreSQL, Redis and separate processes: memory stays flat, due work does not grow.

    python -m bench.soak [--minutes 60] [--patients-per-minute 30] [--token-minutes 20] [--csv samples.csv]

Patients go through the same strict portal as in tests/faults: each connects, is pulled, and has its records read and
exported once; the portal's tokens live for minutes, so that every connection is refreshed again and again. The figures of
every half minute are printed. Ends with status 1 when a process grew by more than a fifth and 30 MiB between the second
quarter and the last, when a process ended, when due work or patients under way became more, when work was due for over a
minute, or when an invariant of tests/faults, `manage.py verify` among them, does not hold.
"""

import argparse
import csv
import dataclasses
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.installation import NAME, Installation
from tests.faults.invariants import Broken, everything_holds
from tests.faults.patients import Story
from tests.faults.portal import Portal

SAMPLE_SECONDS = 30
MIB = 1024 * 1024
DUE = """
SELECT count(*), coalesce(max(extract(epoch FROM now() - due)), 0) FROM (
    SELECT due_at AS due FROM pulls_pull
        WHERE status IN ('queued', 'running', 'waiting') AND (leased_until IS NULL OR leased_until < now())
    UNION ALL SELECT next_attempt_at FROM webhooks_event WHERE status = 'pending'
    UNION ALL SELECT refresh_due_at FROM portals_connection WHERE status = 'active' AND leased_until IS NULL
) AS work WHERE due < now()
"""


@dataclass(frozen=True)
class Sample:
    """One look: MiB a process (its children with it), what is due and how long the oldest has waited, stories so far,
    refreshes the portal has answered."""

    seconds: float
    memory: dict[str, float]
    due: int
    oldest_due_seconds: float
    begun: int
    back: int
    refreshes: int

    @property
    def under_way(self) -> int:
        return self.begun - self.back

    def row(self) -> dict[str, float]:
        """The sample as a line of a table."""
        figures = dataclasses.asdict(self)
        memory = {f"{name}_mib": round(mib, 1) for name, mib in figures.pop("memory").items()}
        return {name: round(figure, 1) for name, figure in figures.items()} | memory


class Reader(Story):
    """A patient whose records the app reads and exports once they are all here."""

    def _until_connected(self) -> None:
        super()._until_connected()
        self._persist(lambda: self.installation.receiver.of(self.patient_id, "records.sync.completed") or None)
        held = len(self.installation.records(self.patient_id))
        exported = self.installation.ask("GET", f"/patients/{self.patient_id}/records/$export")
        assert exported.status_code == 200
        assert len(exported.text.splitlines()) == held


def memory_of(installation: Installation) -> dict[str, float]:
    """MiB a process; one that has ended is left out."""
    found = {}
    for process in installation.processes:
        if process.is_alive:
            parent = psutil.Process(process.running.pid)
            family = [parent, *parent.children(recursive=True)]
            found[process.name] = sum(each.memory_info().rss for each in family) / MIB
    return found


def look(installation: Installation, stories: list[Story], seconds: float) -> Sample:
    due, oldest = installation.cluster.execute(NAME, DUE)[0]
    back = sum(story.is_back for story in stories)
    return Sample(
        seconds, memory_of(installation), due, float(oldest), len(stories), back, installation.portal.refreshed
    )


def load(installation: Installation, *, minutes: float, per_minute: float) -> tuple[list[Story], list[Sample]]:
    """Begin a story every so often until the time is over; look every half minute."""
    stories, threads, samples = [], [], []
    began, apart = time.monotonic(), min(SAMPLE_SECONDS, minutes * 60 / 8)
    next_story, next_look = began, began + apart
    while (now := time.monotonic()) < began + minutes * 60:
        if now >= next_story:
            stories.append(Reader(installation, f"soak-{len(stories)}"))
            threads.append(threading.Thread(target=stories[-1].run, daemon=True))
            threads[-1].start()
            next_story += 60 / per_minute
        if now >= next_look:
            samples.append(look(installation, stories, now - began))
            print(told(samples[-1]), flush=True)
            next_look += apart
        time.sleep(max(0.0, min(next_story, next_look) - time.monotonic()))
    for thread in threads:
        thread.join(120)
    return stories, samples


def told(sample: Sample) -> str:
    memory = "  ".join(f"{name} {mib:.0f}" for name, mib in sample.memory.items())
    return (
        f"{sample.seconds:6.0f} s {sample.begun:5} begun {sample.back:5} back {sample.refreshes:5} refreshed  "
        f"due {sample.due:3}, oldest {sample.oldest_due_seconds:5.1f} s  MiB: {memory}"
    )


def faults(samples: list[Sample], processes: set[str]) -> list[str]:
    """What ended and what grew, in words."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found = [f"{name} ended" for name in sorted(processes - set(samples[-1].memory))]
    for name in samples[-1].memory:
        before = statistics.median(sample.memory[name] for sample in early)
        after = statistics.median(sample.memory[name] for sample in late)
        if after > before * 1.2 and after > before + 30:
            found.append(f"{name} grew from {before:.0f} to {after:.0f} MiB")
    for what in ("due", "under_way"):
        before, after = (statistics.median(getattr(sample, what) for sample in part) for part in (early, late))
        if after > 2 * before + 10:
            found.append(f"{what.replace('_', ' ')}: {before:.0f} became {after:.0f}")
    if statistics.median(sample.oldest_due_seconds for sample in late) > 60:
        found.append("work was due for over a minute")
    return found


def keep(samples: list[Sample], path: Path) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(samples[0].row()))
        table.writeheader()
        table.writerows(sample.row() for sample in samples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--patients-per-minute", type=float, default=30)
    parser.add_argument("--token-minutes", type=float, default=20)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="connect-soak-"))
    portal = Portal(access_seconds=int(asked.token_minutes * 60))
    with Installation(folder, portal=portal) as installation:
        stories, samples = load(installation, minutes=asked.minutes, per_minute=asked.patients_per_minute)
        found = faults(samples, {process.name for process in installation.processes})
        if asked.csv:
            keep(samples, asked.csv)
        try:
            everything_holds(installation, stories)
        except Broken as broken:
            found.append(str(broken))
    shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(found) or f"{len(stories)} patients; memory flat, nothing due for long, everything holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
