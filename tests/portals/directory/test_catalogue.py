"""The catalogue in step with the database."""

import pytest
import time_machine

from connect import ids
from connect.audit.actions import SYSTEM
from portals.directory import catalogue
from portals.directory.documents import Location
from portals.directory.entries import DirectoryEntry
from portals.directory.importing import apply, compare
from portals.directory.keeper import IndexKeeper
from portals.models import CatalogueVersion, Source

pytestmark = pytest.mark.django_db

URL = "https://{}.example.org/r4"


def entry(name, slug, *locations, **more):
    return DirectoryEntry(name, URL.format(slug), URL.format(slug), locations=locations, **more)


def bring(*items, environment="sandbox", directory="list"):
    target = {"environment": environment, "directory": directory}
    apply(**target, changes=compare(**target, items=items), by=SYSTEM, force=True)


@pytest.fixture(autouse=True)
def fresh_index():
    catalogue.forget_indexes()
    yield
    catalogue.forget_indexes()


def source_id(slug, environment="sandbox"):
    return ids.source_id(environment, URL.format(slug))


def names(choices):
    return [choice.name for choice in choices]


def test_what_was_imported_is_found():
    bring(entry("Mayo Clinic", "mayo", Location("Rochester", "MN", "55902")))
    choice = catalogue.search("sandbox", "mayo clinc")[0]
    assert (choice.source_id, choice.name, choice.place) == (source_id("mayo"), "Mayo Clinic", "Rochester, MN")


def test_a_change_of_the_catalogue_is_found_by_the_next_search():
    bring(entry("Mayo Clinic", "mayo"))
    assert names(catalogue.search("sandbox", "lake")) == []
    with time_machine.travel(0, tick=True):
        bring(entry("Mayo Clinic", "mayo"), entry("Lake Clinic", "lake"))
        catalogue._keeper._kept["sandbox"].trusted_until = 0
        assert names(catalogue.search("sandbox", "lake")) == ["Lake Clinic"]


def test_a_withdrawn_source_is_not_offered_even_by_an_old_index():
    bring(entry("Mayo Clinic", "mayo"))
    assert catalogue.search("sandbox", "mayo")
    Source.objects.all().withdraw()
    assert catalogue.search("sandbox", "mayo") == []


def test_environments_have_catalogues_of_their_own():
    bring(entry("Mayo Clinic", "mayo"))
    assert catalogue.search("production", "mayo") == []


def test_a_practice_behind_a_shared_portal_is_shown_by_its_own_name_and_place():
    practices = [entry(f"Practice {n}", "athena", vendor="athena") for n in range(30)]
    bring(*practices, entry("Natoli, B / Natoli, L", "athena", Location("", "FL", ""), vendor="athena"))
    choice = catalogue.search("sandbox", "natoli")[0]
    assert (choice.name, choice.place, choice.source.name) == ("Natoli, B / Natoli, L", "FL", "athenahealth")


def test_a_source_made_by_hand_is_found_by_its_own_row():
    Source.objects.create(
        id=source_id("hand"), environment="sandbox", fhir_base_url=URL.format("hand"), name="Hand Clinic",
        aliases=["Old Hand"], locations=[{"city": "Napa", "state": "CA", "postal_code": "94558"}],
    )  # fmt: skip
    assert catalogue.search("sandbox", "hand clinic")[0].place == "Napa, CA"
    assert catalogue.search("sandbox", URL.format("hand"))[0].name == "Hand Clinic"


@pytest.mark.parametrize("near", ["Phoenix, AZ", "85054", "arizona", "phoenix"])
def test_a_place_as_typed_brings_near_ones_first(near):
    bring(
        entry("Urology Associates", "one", Location("Houston", "TX", "77030")),
        entry("Urology Associates", "two", Location("Phoenix", "AZ", "85054")),
    )
    assert [choice.source_id for choice in catalogue.search("sandbox", "urology associates", near=near)] == [
        source_id("two"),
        source_id("one"),
    ]


def test_each_result_says_why_it_is_there():
    bring(entry("Lake Clinic", "lake", brand="Alpha Health", aliases=("Old Mill",)))
    why = {
        query: catalogue.search("sandbox", query)[0].why
        for query in ("lake clinic", "lake", "clinic lake", "old mill", "alpha health", "laek clinic")
    }
    assert why == {
        "lake clinic": "Same name",
        "lake": "Begins with what you typed",
        "clinic lake": "Has the words you typed",
        "old mill": "Also called Old Mill",
        "alpha health": "Part of Alpha Health",
        "laek clinic": "Similar spelling",
    }


def test_recommended_ones_come_first():
    bring(entry("Lake Clinic One", "one"), entry("Lake Clinic Two", "two"))
    found = catalogue.search("sandbox", "lake clinic", recommended=[source_id("two")])
    assert names(found) == ["Lake Clinic Two", "Lake Clinic One"]


def test_a_search_costs_the_index_and_few_queries(django_assert_max_num_queries):
    bring(entry("Mayo Clinic", "mayo"))
    catalogue.search("sandbox", "mayo")
    with django_assert_max_num_queries(2):
        catalogue.search("sandbox", "mayo clinic")


class Version:
    """A version that a test moves, and an index that says which one it was built of."""

    def __init__(self, size):
        self.number, self.size, self.built = 1, size, []

    def build(self, environment):
        self.built.append(self.number)
        return range(self.size)

    def current(self, environment):
        return self.number


def test_a_small_index_is_rebuilt_once_for_each_version():
    version = Version(size=10)
    keeper = IndexKeeper(version.build, version.current)
    for number in (1, 1, 2, 2, 2, 3):
        version.number = number
        keeper.index("sandbox")
        keeper._kept["sandbox"].trusted_until = 0
    assert version.built == [1, 2, 3]


def test_a_version_is_believed_for_a_moment():
    version = Version(size=10)
    keeper = IndexKeeper(version.build, version.current)
    keeper.index("sandbox")
    version.number = 2
    keeper.index("sandbox")
    assert version.built == [1]


def test_the_version_is_zero_until_something_is_imported():
    assert CatalogueVersion.current("production") == 0
