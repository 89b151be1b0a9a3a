"""Joining entries, and comparing them with what is."""

import pytest

from portals.directory.diff import DropRefused, Snapshot, diff
from portals.directory.documents import Location
from portals.directory.entries import BadEntry, DirectoryEntry, DirectoryUnreadable
from portals.directory.grouping import documents_of_catalogue
from portals.directory.merging import joined
from portals.directory.plausible import plausible_entries


def entry(name="Lake Clinic", url="https://a.org/r4", *locations, **more):
    return DirectoryEntry(name, url, url, locations=locations, **more)


def snapshot_of(items, elsewhere=frozenset()):
    catalogue = joined(items)
    return Snapshot(catalogue.sources, catalogue.listings, elsewhere)


NAPA, RENO = Location("Napa", "CA", "94558"), Location("Reno", "NV", "89501")


def test_practices_of_one_url_are_one_source_with_many_listings():
    catalogue = joined(entry(f"Practice {n}", vendor="athena") for n in range(100))
    assert list(catalogue.sources) == ["https://a.org/r4"]
    assert catalogue.sources["https://a.org/r4"].name == "athenahealth"
    assert len(catalogue.listings) == 100


def test_a_source_of_a_few_names_is_called_by_the_first_and_answers_to_all():
    source = joined([entry("Lake Clinic", "https://a.org/r4", NAPA), entry("Hill Clinic", "https://a.org/r4", RENO)])
    source = source.sources["https://a.org/r4"]
    assert (source.name, source.aliases, source.locations) == ("Lake Clinic", ("Hill Clinic",), (NAPA, RENO))


def test_a_source_of_one_brand_is_called_by_the_brand():
    catalogue = joined([entry("Lake Clinic", brand="Alpha"), entry("Alpha"), entry("Hill Clinic", brand="Alpha")])
    source = catalogue.sources["https://a.org/r4"]
    assert (source.name, source.brand) == ("Alpha", "Alpha")


def test_entries_that_say_the_same_are_merged_whatever_their_order():
    twice = [entry("LAKE CLINIC", aliases=("B",)), entry("Lake Clinic", aliases=("A",), npi="1")]
    one, other = joined(twice), joined(reversed(twice))
    assert one.merged == other.merged == 1
    assert list(one.listings.values()) == list(other.listings.values())
    assert next(iter(one.listings.values())).name == "Lake Clinic"


def test_the_same_list_again_changes_nothing():
    items = [entry("A", "https://a.org/r4", NAPA, RENO), entry("B", "https://b.org/r4")]
    found = diff(snapshot_of(items), joined(items))
    assert found.is_empty
    assert (found.sources_unchanged, found.listings_unchanged) == (2, 3)


def test_adds_changes_and_withdrawals_are_told_apart():
    before = [entry("A", f"https://{n}.org/r4") for n in range(10)]
    after = [entry("A", f"https://{n}.org/r4") for n in range(1, 10)]
    after[0] = entry("A", "https://1.org/r4", portal_url="https://my.1.org")
    after.append(entry("New", "https://new.org/r4"))
    found = diff(snapshot_of(before), joined([*after, BadEntry("line 9", "no_name")]))
    assert [source.name for source in found.sources_added] == ["New"]
    assert [change.changed for change in found.sources_changed] == [("portal_url",)]
    assert found.sources_withdrawn == ["https://0.org/r4"]
    assert [listing.fhir_base_url for listing in found.listings_changed] == ["https://1.org/r4"]
    assert found.counts()["bad"] == {"no_name": 1}


def test_a_practice_that_moved_is_a_listing_gone_and_one_added():
    found = diff(snapshot_of([entry("A", "https://a.org/r4", NAPA)]), joined([entry("A", "https://a.org/r4", RENO)]))
    assert [listing.location for listing in found.listings_added] == [RENO]
    assert [key[2] for key in found.listings_withdrawn] == [NAPA]
    assert not found.sources_withdrawn


@pytest.mark.parametrize(("left", "refused"), [(80, False), (79, True), (0, True)])
def test_brand_truncated_refused_when_more_than_a_fifth_vanished(left, refused):
    items = [entry(f"Clinic {n}", f"https://c{n}.org/r4") for n in range(100)]
    found = diff(snapshot_of(items), joined(items[:left]))
    if refused:
        with pytest.raises(DropRefused):
            found.check()
    else:
        found.check()


def test_a_first_import_is_never_a_drop():
    diff(Snapshot(), joined([entry()])).check()


def test_a_list_that_breaks_off_is_no_list():
    def items():
        yield entry()
        raise DirectoryUnreadable("cut off")

    with pytest.raises(DirectoryUnreadable):
        joined(items())


def test_another_directorys_source_gains_listings_and_keeps_its_description():
    found = diff(Snapshot(listed_elsewhere={"https://a.org/r4"}), joined([entry("Ours")]))
    assert (found.sources_added, [listing.name for listing in found.listings_added]) == ([], ["Ours"])


def test_a_source_that_another_directory_still_lists_is_handed_over_and_not_withdrawn():
    items = [entry(f"Clinic {n}", f"https://c{n}.org/r4") for n in range(10)]
    found = diff(snapshot_of(items, {"https://c0.org/r4"}), joined(items[1:]))
    assert (found.sources_withdrawn, found.sources_handed_over) == ([], ["https://c0.org/r4"])


def test_places_of_one_name_become_one_document():
    catalogue = joined([entry("A", "https://a.org/r4", NAPA), entry("A", "https://a.org/r4", RENO), entry("B")])
    assert {(one.name, one.locations) for one in documents_of_catalogue(catalogue)} == {("A", (NAPA, RENO)), ("B", ())}


def test_a_plausible_catalogue_is_large_placed_and_the_same_every_time():
    first = list(plausible_entries(limit=300))
    assert first == list(plausible_entries(limit=300))
    assert all(one.locations[0].city and one.locations[0].state for one in first)
    assert len({one.fhir_base_url for one in plausible_entries()}) >= 20_000
