"""Pages that come again just as they were: nothing of theirs is read again, and nothing about them is told otherwise."""

import pytest

from portals.models import Connection
from pulls import searching, store
from pulls.models import Record
from tests.portals.portal_double import Answer
from tests.pulls.reading import records_of
from tests.pulls.scripted import bundle, fhir, observation

pytestmark = pytest.mark.django_db


@pytest.fixture
def read_entries(monkeypatch):
    """The ids of the resources of pages whose resources were read, in order."""
    read = []
    split = searching.SearchTarget._split

    def listening(target, entries):
        read.extend(entry.head.id for entry in entries)
        return split(target, entries)

    monkeypatch.setattr(searching.SearchTarget, "_split", listening)
    return read


def positions() -> dict[str, int]:
    return dict(Record.objects.values_list("resource_id", "position"))


def observations_of(api, pull) -> dict:
    """What the manifest says of the search for Observations, and of references."""
    manifest = api.get(f"/pulls/{pull.pk}/manifest").json()
    (search,) = [each for each in manifest["searches"] if each["type"] == "Observation"]
    return search | {"references": manifest["references"]["listed"]}


def test_unchanged_pages_are_counted_as_if_they_had_been_read(api, portal, connected, pull, read_entries):
    performer = [{"reference": "Practitioner/dr-1"}]
    portal.pages("Observation", [observation("o-1", performer=performer), observation("o-2")], [observation("o-3")])
    portal.on("/fhir/Practitioner/dr-1", fhir({"resourceType": "Practitioner", "id": "dr-1"}))
    connection = connected()
    first = pull(connection)
    before, read = positions(), list(read_entries)
    read_entries.clear()
    second = pull(connection)
    assert (second.status, second.total, positions()) == ("completed", 0, before)
    assert {"o-1", "o-2", "o-3"} < set(read)
    assert not {"o-1", "o-2", "o-3"} & set(read_entries)
    told, again = observations_of(api, first), observations_of(api, second)
    assert (told["kept"], told["unchanged"]) == (3, 0)
    assert again == told | {"kept": 0, "unchanged": 3}


def test_a_page_with_one_change_is_read_and_the_others_are_not(api, portal, connected, pull, read_entries):
    portal.pages("Observation", [observation("o-1")], [observation("o-2")])
    connection = connected()
    pull(connection)
    before = positions()
    read_entries.clear()
    portal.pages("Observation", [observation("o-1")], [observation("o-2", status="amended")])
    assert pull(connection).total == 1
    assert "o-1" not in read_entries
    assert "o-2" in read_entries
    assert {id_ for id_, position in positions().items() if position != before[id_]} == {"o-2"}


def test_what_vanishes_between_unchanged_pages_is_gone_and_comes_back(portal, connected, pull):
    both = [observation("o-1")], [observation("o-2")]
    portal.pages("Observation", *both)
    connection = connected()
    pull(connection)
    portal.pages("Observation", both[0])
    pull(connection)
    portal.pages("Observation", *both)
    pull(connection)
    assert dict(Record.objects.filter(resource_type="Observation").values_list("resource_id", "change")) == {
        "o-1": "new", "o-2": "changed",
    }  # fmt: skip


def test_a_page_is_known_over_a_pull_that_could_not_have_it(portal, connected, pull, read_entries):
    portal.holds("Observation", observation("o-1"))
    connection = connected()
    pull(connection)
    portal.on("/fhir/Observation", Answer(403))
    pull(connection)
    read_entries.clear()
    portal.holds("Observation", observation("o-1"))
    assert pull(connection).total == 0
    assert "o-1" not in read_entries


def test_a_page_whose_record_was_written_since_is_read_again(api, portal, connected, pull):
    """Another search brought the resource in another form, and is refused afterwards: the page's own form counts."""
    portal.holds("Observation", observation("o-1"))
    connection = connected()
    pull(connection)
    for answer in (fhir(bundle(observation("o-1", status="as included"))), Answer(403)):
        portal.on("/fhir/Condition", answer)
        pull(connection)
    assert "status" not in records_of(api)["Observation/o-1"]


def test_a_page_with_anything_odd_is_always_read(portal, connected, pull, read_entries, monkeypatch):
    """A resource of somebody else is refused each time, and reported each time."""
    reported = []
    report = store.report_strangers
    monkeypatch.setattr(store, "report_strangers", lambda *told: reported.append(report(*told)))
    portal.holds("Observation", observation("o-1"), observation("o-2", patient="pat-9"))
    connection = connected()
    pull(connection)
    pull(connection)
    assert len(reported) == 2
    assert read_entries.count("o-2") == 2


def test_another_patient_of_the_same_portal_knows_nothing_of_it(tenant, portal, connected, pull, read_entries):
    portal.on("/fhir/Patient/pat-2", fhir({"resourceType": "Patient", "id": "pat-2"}))
    portal.on("/fhir/Observation", fhir(bundle({"resourceType": "Observation", "id": "o-1"})))
    pull(connected())
    read_entries.clear()
    pull(connected(fhir_patient="pat-2"))
    assert "o-1" in read_entries
    assert Record.objects.filter(resource_id="o-1").count() == Connection.objects.count() == 2
