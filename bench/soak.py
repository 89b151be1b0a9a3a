"""A steady load for an hour on PostgreSQL, Redis and separate processes: memory stays flat, due work does not grow.

    python -m bench.soak [--minutes 60] [--patients-per-minute 30]

Patients go through the same strict portal as in tests/faults; the figures of every half minute are printed. Ends with
status 1 when a process grew by more than a fifth and 30 MiB between the second quarter and the last, when work was due for
over a minute, or when `manage.py verify` finds something.
"""

import argparse
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

SAMPLE_SECONDS = 30
MIB = 1024 * 1024
OLDEST_DUE = """
SELECT coalesce(max(extract(epoch FROM now() - due)), 0) FROM (
    SELECT due_at AS due FROM pulls_pull
        WHERE status IN ('queued', 'running', 'waiting') AND (leased_until IS NULL OR leased_until < now())
    UNION ALL SELECT next_attempt_at FROM webhooks_event WHERE status = 'pending'
    UNION ALL SELECT refresh_due_at FROM portals_connection WHERE status = 'active' AND leased_until IS NULL
) AS work WHERE due < now()
"""


@dataclass(frozen=True)
class Sample:
    """One look: MiB a process (its children with it), seconds the oldest due work has waited, stories so far."""

    memory: dict[str, float]
    oldest_due_seconds: float
    begun: int
    back: int


def memory_of(installation: Installation) -> dict[str, float]:
    found = {}
    for process in installation.processes:
        parent = psutil.Process(process.running.pid)
        family = [parent, *parent.children(recursive=True)]
        found[process.name] = sum(each.memory_info().rss for each in family) / MIB
    return found


def look(installation: Installation, stories: list[Story]) -> Sample:
    oldest = float(installation.cluster.execute(NAME, OLDEST_DUE)[0][0])
    return Sample(memory_of(installation), oldest, len(stories), sum(story.is_back for story in stories))


def load(installation: Installation, *, minutes: float, per_minute: float) -> tuple[list[Story], list[Sample]]:
    """Begin a story every so often until the time is over; look every half minute."""
    stories, threads, samples = [], [], []
    ends_at = time.monotonic() + minutes * 60
    next_look = time.monotonic() + min(SAMPLE_SECONDS, minutes * 60 / 8)
    while time.monotonic() < ends_at:
        story = Story(installation, f"soak-{len(stories)}")
        thread = threading.Thread(target=story.run, daemon=True)
        thread.start()
        stories.append(story)
        threads.append(thread)
        time.sleep(60 / per_minute)
        if time.monotonic() >= next_look:
            samples.append(look(installation, stories))
            print(told(samples[-1]), flush=True)
            next_look += min(SAMPLE_SECONDS, minutes * 60 / 8)
    for thread in threads:
        thread.join(120)
    return stories, samples


def told(sample: Sample) -> str:
    memory = "  ".join(f"{name} {mib:.0f}" for name, mib in sample.memory.items())
    return (
        f"{sample.begun:6} begun {sample.back:6} back   oldest due {sample.oldest_due_seconds:5.1f} s   MiB: {memory}"
    )


def faults(samples: list[Sample]) -> list[str]:
    """What grew, in words."""
    quarter = max(1, len(samples) // 4)
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    found = []
    for name in samples[-1].memory:
        before = statistics.median(sample.memory[name] for sample in early)
        after = statistics.median(sample.memory[name] for sample in late)
        if after > before * 1.2 and after > before + 30:
            found.append(f"{name} grew from {before:.0f} to {after:.0f} MiB")
    if statistics.median(sample.oldest_due_seconds for sample in late) > 60:
        found.append("work was due for over a minute")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--patients-per-minute", type=float, default=30)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="connect-soak-"))
    with Installation(folder) as installation:
        stories, samples = load(installation, minutes=asked.minutes, per_minute=asked.patients_per_minute)
        found = faults(samples)
        try:
            everything_holds(installation, stories)
        except Broken as broken:
            found.append(str(broken))
    shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(found) or f"{len(stories)} patients; memory flat, nothing due for long, everything holds")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
