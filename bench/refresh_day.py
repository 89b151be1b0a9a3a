"""A day of refreshes: a million connections by the schedule's own arithmetic, and the engine itself on rows.

    python -m bench.refresh_day [--connections 1000000] [--rows 5000]

The first part lives through 24 h with the functions that decide when a refresh is due: refreshes a minute, their spread,
and how a portal that is dead for two hours comes back. The second runs the real sweep on PostgreSQL rows, minute by
minute with time frozen and the portal simulated, and prints what its queries do.
"""

import argparse
import importlib
import statistics
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

from bench import environment
from bench.report import Figure, table
from portals import timing

START = datetime(2026, 4, 25, tzinfo=UTC)
MINUTES = 24 * 60
LIFE_SECONDS = 3600
DEAD_SHARE, DEAD_FROM, DEAD_UNTIL = 0.05, 6 * 60, 8 * 60


def measure(quick: bool) -> list[Figure]:
    """Both parts, small when `quick`."""
    return day(20_000 if quick else 1_000_000) + hour(200 if quick else 5_000)


def day(connections: int) -> list[Figure]:
    """24 h of connections that all begin in one hour (the band that begins twice in a refresh's 51 minutes stays), 5 % of them at a portal that is dead from 06:00 to 08:00."""
    dead = int(connections * DEAD_SHARE)
    waiting = [[] for _ in range(MINUTES)]
    for number in range(connections):
        waiting[number * 60 // connections].append(number)
    sent, expired = Counter(), 0
    for minute in range(MINUTES):
        now = START + timedelta(minutes=minute)
        is_dead = DEAD_FROM <= minute < DEAD_UNTIL
        for number in waiting[minute]:
            if is_dead and number < dead:
                due = now + timedelta(minutes=1)  # put off: nothing is sent; the circuit's tests are in part two
                expired += 1
            else:
                sent[minute] += 1
                due = timing.refresh_due_at(now, LIFE_SECONDS)
            again = int((due - START).total_seconds() // 60)
            if again < MINUTES:
                waiting[again].append(number)
        waiting[minute] = ()
    a_minute = [sent[minute] for minute in range(2 * 60, DEAD_FROM)]
    recovery = max(sent[minute] for minute in range(DEAD_UNTIL, DEAD_UNTIL + 60))
    mean = statistics.mean(a_minute)
    peak = max(a_minute) / mean
    return [
        Figure(f"refreshes of {connections:,} connections in 24 h", f"{sum(sent.values()):,}"),
        Figure("refreshes a minute, mean from 02:00 to 06:00", f"{mean:,.0f} ({mean / 60:,.0f}/s)"),
        Figure("busiest minute to the mean", f"{peak:.2f}", target="< 2", reached=peak < 2),
        Figure("busiest minute after the dead portal is back, to the mean", f"{recovery / mean:.2f}"),
        Figure(f"refreshes that waited while {dead:,} connections' portal was dead", f"{expired:,} minutes in all"),
    ]


def hour(rows: int) -> list[Figure]:
    """An hour of the real engine: a fifth of the rows are at a portal that never answers."""
    return importlib.import_module("bench.refresh_rows").measure(rows)  # after environment.prepare()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=5_000)
    options = parser.parse_args()
    environment.prepare()
    print(table(day(options.connections) + hour(options.rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
