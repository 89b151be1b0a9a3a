"""`python -m bench [--quick] [--json FILE] [name …]`: measure, print the table, keep it."""

import argparse
import importlib
import sys
from pathlib import Path

from bench import environment
from bench.report import keep, table

BENCHES = ("flows", "records", "pulling", "refreshing", "refresh_day", "growth", "first_page", "start_up", "operators")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(BENCHES)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small numbers: it must run, not reach figures")
    parser.add_argument("--json", type=Path, default=Path("bench/results/latest.json"))
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    environment.prepare()
    figures = []
    for name in options.names or BENCHES:
        print(f"… {name}", file=sys.stderr, flush=True)
        figures += importlib.import_module(f"bench.{name}").measure(options.quick)
    print(table(figures))
    keep(figures, options.json)
    missed = [figure for figure in figures if figure.reached is False]
    print(f"\n{len(figures)} figures, {len(missed)} below what is to be reached.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
