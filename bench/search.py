"""Catalogue search: how often it is right, how fast it is, against a brute-force scan in the same run.

    python bench/search.py [--sources 100000] [--json var/bench/search.json] [--quick] [--misses]

The catalogue: the real list of ../shared/data/directory, filled up to `--sources` with the plausible names of the
synthea package. Two sets of queries: `search_judged.csv`, written by hand, and typing mistakes made by a seeded
generator. An answer counts when it bears the expected name (compared as `name_key` does: several sources may share
a name).
"""

import argparse
import csv
import gc
import json
import random
import resource
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rapidfuzz import fuzz, process  # noqa: E402

from portals.directory.grouping import documents_of_catalogue  # noqa: E402
from portals.directory.merging import joined  # noqa: E402
from portals.directory.normalize import fold, name_key  # noqa: E402
from portals.directory.plausible import plausible_entries  # noqa: E402
from portals.directory.readers import read_file  # noqa: E402
from portals.directory.search import CatalogueSearch  # noqa: E402

LANTERN = ROOT.parent / "shared/data/directory/lantern/lantern-endpoints.csv.gz"
JUDGED = ROOT / "bench/search_judged.csv"
SEED = 20260425


def catalogue(sources: int) -> tuple[list, list[str]]:
    """Documents, `sources` of them, and the real names among them."""
    real = documents_of_catalogue(joined(read_file(LANTERN)))
    documents = real[:sources]
    for prefix in ("", "North ", "New "):
        missing = sources - len(documents)
        if missing <= 0:
            break
        urls = f"https://{{slug}}.{prefix.strip() or 'a'}.example.org"
        made_up = documents_of_catalogue(joined(plausible_entries(base_url=urls)))
        documents += [_renamed(document, prefix, len(documents) + n) for n, document in enumerate(made_up[:missing])]
    return documents, [document.name for document in real]


def _renamed(document, prefix: str, number: int):
    return type(document)(f"made-{number}", document.source_id, prefix + document.name, type=document.type,
                          fhir_base_url=document.fhir_base_url, locations=document.locations)  # fmt: skip


def judged() -> list[tuple[str, set[str], str]]:
    with JUDGED.open(encoding="utf-8", newline="") as file:
        return [
            (r["query"], {name_key(name) for name in r["expected"].split("|")}, r["kind"]) for r in csv.DictReader(file)
        ]


def mistyped(names: list[str], count: int) -> list[tuple[str, set[str], str]]:
    """Real names of at least two telling words as people mistype them: one mistake each, the same ones every run."""
    dice = random.Random(SEED)
    distinct = sorted({name for name in names if len(name_key(name).split()) >= 2 and len(name) >= 10})
    return [
        (_mistake(fold(name), dice), {name_key(name)}, "generated")
        for name in dice.sample(distinct, min(count, len(distinct)))
    ]


def _mistake(text: str, dice: random.Random) -> str:
    words = text.split()
    kind = dice.choice(["drop", "double", "swap", "replace", "order", "missing", "joined", "cut"])
    at = dice.choice([i for i, word in enumerate(words) if len(word) >= 4] or [0])
    if kind in ("order", "missing") and len(words) > 2:
        words = words[1:] + words[:1] if kind == "order" else words[:at] + words[at + 1 :]
    elif kind == "joined" and len(words) > 1:
        words[:2] = ["".join(words[:2])]
    elif kind == "cut":
        words[-1] = words[-1][: max(3, len(words[-1]) - 2)]
    else:
        words[at] = _mistyped_word(words[at], kind, dice)
    return " ".join(words)


def _mistyped_word(word: str, kind: str, dice: random.Random) -> str:
    i = dice.randrange(1, max(2, len(word) - 1))
    if kind == "drop":
        return word[:i] + word[i + 1 :]
    if kind == "double":
        return word[:i] + word[i - 1] + word[i:]
    if kind == "swap":
        return word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]
    return word[:i] + dice.choice("aeioulnrst") + word[i + 1 :]


def score(search: CatalogueSearch, queries, *, show_misses: bool) -> dict:
    first = fifth = 0
    for query, expected, kind in queries:
        found = [name_key(hit.name) for hit in search.search(query, limit=5)]
        first += found[:1] != [] and found[0] in expected
        fifth += bool(expected & set(found))
        if show_misses and not (found and found[0] in expected):
            near = "5" if expected & set(found) else "-"
            print(f"  {near} [{kind}] {query!r} wanted {sorted(expected)} got {found[:3]}")
    count = len(queries)
    return {"queries": count, "success_at_1": round(first / count, 4), "success_at_5": round(fifth / count, 4)}


def timed(run, queries: list[str]) -> dict:
    """Milliseconds a query, each query asked once: no answer is remembered from an earlier one."""
    times = []
    for query in queries:
        started = time.perf_counter()
        run(query)
        times.append((time.perf_counter() - started) * 1000)
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": round(statistics.median(times), 2), "p95_ms": round(cuts[94], 2), "p99_ms": round(cuts[98], 2)}


def typed_letter_by_letter(queries: list[str]) -> list[str]:
    """What a browser sends while somebody types: every beginning of two letters and more."""
    return [query[:end] for query in queries for end in range(2, len(query) + 1)]


def brute_force(names: list[str], queries, scorer) -> dict:
    """What a scan of every name takes, and how often its best name is the right one."""
    lowered = [fold(name) for name in names]
    speed = timed(
        lambda query: process.extract(query, lowered, scorer=scorer, limit=10), [fold(q) for q, _, _ in queries]
    )
    right = sum(name_key(process.extractOne(fold(q), lowered, scorer=scorer)[0]) in ok for q, ok, _ in queries)
    return speed | {"queries": len(queries), "success_at_1": round(right / len(queries), 4)}


def measure(sources: int, *, quick: bool, show_misses: bool) -> dict:
    documents, names = catalogue(sources)
    gc.collect()
    before = resident_mb()
    started = time.perf_counter()
    search = CatalogueSearch(documents)
    result = {"sources": len(documents), "build_seconds": round(time.perf_counter() - started, 2)}
    result["index_mb"] = resident_mb() - before
    hand, generated = judged(), mistyped(names, 200 if quick else 2000)
    result["search"] = timed(lambda query: search.search(query, limit=10), [query for query, _, _ in hand + generated])
    search.forget_readings()
    letters = typed_letter_by_letter([query for query, _, _ in hand[: 20 if quick else 100]])
    result["typing"] = timed(lambda query: search.search(query, limit=10), letters)
    everything = [document.name for document in documents]
    some = random.Random(SEED).sample(hand, 10 if quick else 60)
    result["brute_force_wratio"] = brute_force(everything, some, fuzz.WRatio)
    result["brute_force_token_sort"] = brute_force(everything, some, fuzz.token_sort_ratio)
    for scorer in ("wratio", "token_sort"):
        times = result[f"brute_force_{scorer}"]["p95_ms"] / result["search"]["p95_ms"]
        result[f"times_faster_than_{scorer}_p95"] = round(times, 1)
    result["judged"] = score(search, hand, show_misses=show_misses)
    result["generated"] = score(search, generated, show_misses=False)
    real = CatalogueSearch(documents[: len(names)])
    result["judged_real_list_alone"] = score(real, hand, show_misses=False)
    result["generated_real_list_alone"] = score(real, generated, show_misses=False)
    return result


def resident_mb() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() // 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer queries, for CI: it must run, not reach figures")
    parser.add_argument("--misses", action="store_true")
    arguments = parser.parse_args()
    if not LANTERN.exists():
        sys.exit(f"{LANTERN} is not here: nothing to measure.")
    result = measure(arguments.sources, quick=arguments.quick, show_misses=arguments.misses)
    for name, value in result.items():
        print(f"{name:26} {value if not isinstance(value, dict) else '  '.join(f'{k} {v}' for k, v in value.items())}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
