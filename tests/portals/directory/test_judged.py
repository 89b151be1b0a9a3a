"""The judged set: over 200 queries, written by hand, over the real names of a published list (issue 3, point 1)."""

import csv
from pathlib import Path

import pytest

from portals.directory.grouping import documents_of_catalogue
from portals.directory.merging import joined
from portals.directory.normalize import name_key
from portals.directory.readers import read_file
from portals.directory.search import CatalogueSearch

JUDGED = Path(__file__).resolve().parents[3] / "bench" / "search_judged.csv"


@pytest.fixture(scope="module")
def real_catalogue(lantern):
    return CatalogueSearch(documents_of_catalogue(joined(read_file(lantern))))


@pytest.fixture(scope="module")
def judged():
    with JUDGED.open(encoding="utf-8", newline="") as file:
        return [(row["query"], set(map(name_key, row["expected"].split("|")))) for row in csv.DictReader(file)]


def test_the_right_portal_is_first_nine_times_in_ten_and_nearly_always_among_five(real_catalogue, judged):
    found = [
        (expected, [name_key(hit.name) for hit in real_catalogue.search(query, limit=5)]) for query, expected in judged
    ]
    first = sum(names[:1] != [] and names[0] in expected for expected, names in found) / len(judged)
    among_five = sum(bool(expected & set(names)) for expected, names in found) / len(judged)
    assert len(judged) >= 200
    assert (first >= 0.90, among_five >= 0.97) == (True, True), (first, among_five)


def test_every_expected_name_of_most_queries_is_in_the_list(real_catalogue, judged):
    """A judged query whose answer is not in the catalogue would judge nothing."""
    answerable = sum(
        any(name_key(hit.name) in expected for name in expected for hit in real_catalogue.search(name, limit=5))
        for _, expected in judged
    )
    assert answerable >= 0.99 * len(judged)
