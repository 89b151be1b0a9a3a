"""The pull cases of smart-fhir.md 7.6 about searches and pages; each test bears its case's name."""

from datetime import timedelta

import pytest
import time_machine

from portals.models import Source
from pulls.fhir.links import LinkRefused, follow
from tests.portals.portal_double import Answer
from tests.pulls.reading import records_of
from tests.pulls.scripted import ScriptedPortal, bundle, fhir, observation, outcome

pytestmark = pytest.mark.django_db


def search_of(pull, type_: str = "Observation"):
    return pull.searches.get(resource_type=type_)


def test_pull_next_other_host(portal, connected, pull):
    with ScriptedPortal() as other:
        following = f"{other.base}/Observation?page=2"
        portal.on("/fhir/Observation", fhir(bundle(observation("o-1"), following=following)))
        done = pull(connected())
        assert other.requests == []
    assert done.status == "partial"
    assert (search_of(done).status, search_of(done).error, search_of(done).stored) == (
        "partial", "next_link_other_host", 1,
    )  # fmt: skip


@pytest.mark.parametrize("link", ["Observation?page=2", "/fhir/Observation?page=2", "?page=2"])
def test_pull_next_relative(portal, connected, pull, link):
    def answer(request):
        second = "page" in request.parameters
        return fhir(bundle(observation("o-2" if second else "o-1"), following=None if second else link))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    assert (done.status, search_of(done).pages, search_of(done).stored) == ("completed", 2, 2)


def test_pull_next_loop(portal, connected, pull):
    pages = {"1": ("o-1", "2"), "2": ("o-2", "3"), "3": ("o-3", "2")}

    def answer(request):
        id_, following = pages[request.parameters.get("page", ["1"])[0]]
        return fhir(bundle(observation(id_), following=f"{portal.base}/Observation?page={following}"))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    assert (search_of(done).status, search_of(done).error, search_of(done).pages) == ("partial", "next_link_loop", 3)
    assert len(portal.searches("Observation")) == 3


def test_a_portal_that_ignores_where_we_are_is_not_asked_for_ever(portal, connected, pull):
    """Ever new links to the same page."""

    def answer(request):
        number = int(request.parameters.get("page", ["1"])[0])
        return fhir(bundle(observation("o-1"), following=f"{portal.base}/Observation?page={number + 1}"))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    assert (search_of(done).error, search_of(done).pages) == ("page_repeated", 1)
    assert len(portal.searches("Observation")) == 2


def test_pull_next_http_downgrade():
    with pytest.raises(LinkRefused) as refused:
        follow("http://p.example/r4/X?page=2", here="https://p.example/r4/X", base="https://p.example/r4")
    assert refused.value.reason == "downgrade"


@pytest.mark.parametrize("code", ["4119", "59204"])
def test_pull_oo_entry_in_200(api, portal, connected, pull, code):
    """An outcome among the entries is no record; where it says that something was left out, so do we."""
    portal.on("/fhir/Observation", fhir(bundle(observation("o-1"), outcome(code))))
    done = pull(connected())
    assert done.status == "partial"
    assert search_of(done).outcomes == [f"warning:processing:{code}"]
    assert records_of(api).keys() == {"Patient/pat-1", "Observation/o-1"}


def test_an_outcome_that_only_says_that_there_is_nothing_is_no_fault(portal, connected, pull):
    portal.on("/fhir/Observation", fhir(bundle(outcome("4101"))))
    assert pull(connected()).status == "completed"


def test_pull_4113_session_expired(portal, connected, pull):
    """The search begins once more, and stores nothing twice."""
    portal.pages("Observation", [observation("o-1")], [observation("o-2")])
    pages, count = portal.scripts["/fhir/Observation"][0], iter(range(9))

    def forgets_once(request):
        return fhir(bundle(outcome("4113", severity="error"))) if next(count) == 1 else pages(request)

    portal.on("/fhir/Observation", forgets_once)
    done = pull(connected())
    search = search_of(done)
    assert (done.status, search.restarted, search.pages, search.fetched) == ("completed", True, 2, 2)
    assert (search.stored, search.unchanged, done.total) == (2, 1, 3)


def test_a_paging_session_that_expires_again_is_told(portal, connected, pull):
    portal.pages("Observation", [observation("o-1")], fhir(bundle(outcome("4113", severity="error"))))
    done = pull(connected())
    assert (done.status, search_of(done).status) == ("partial", "partial")


def test_pull_category_required(portal, connected, pull):
    """400 with 59108 unless a category is named: then one search a category."""

    def answer(request):
        category = request.parameters.get("category", [""])[0]
        if not category:
            return fhir(outcome("59108", severity="error"), status=400)
        return fhir(bundle(*([observation("lab")] if category == "laboratory" else [])))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    asked = [request.parameters["category"][0] for request in portal.searches("Observation")[2:]]
    assert done.status == "completed"
    assert {"laboratory", "vital-signs", "social-history"} < set(asked)
    assert done.total == 2


def test_pull_unknown_category_400(portal, connected, pull):
    def answer(request):
        category = request.parameters.get("category", [""])[0]
        if category in ("", "sdoh"):
            return fhir(outcome("4112" if category else "59108", severity="error"), status=400)
        return fhir(bundle(observation(category)))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    searches = done.searches.filter(resource_type="Observation")
    assert set(searches.values_list("status", flat=True)) == {"done", "skipped"}
    assert done.status == "completed"
    assert done.total == searches.filter(status="done").count() + 1


def test_pull_bare_id_zero_hits(api, portal, connected, pull):
    """Nothing at all for `patient=pat-1`: `patient=Patient/pat-1` is tried."""

    def answer(request):
        typed = request.parameters["patient"] == ["Patient/pat-1"]
        return fhir(bundle(*([observation("o-1")] if typed else []), total=int(typed)))

    portal.on("/fhir/Observation", answer)
    assert pull(connected()).status == "completed"
    assert "Observation/o-1" in records_of(api)


def test_pull_no_lastupdated(api, portal, connected, pull):
    """A server that ignores `_lastUpdated`, and one that honours it: in both only what changed is written, and what an
    answer about changes does not name is not gone."""
    portal.offers(Observation=["_lastUpdated"], Condition=["_lastUpdated"])
    portal.holds("Observation", observation("o-1"), observation("o-2"))
    portal.holds("Condition", observation("c-1") | {"resourceType": "Condition"})
    connection = connected()
    pull(connection)
    portal.holds("Observation", observation("o-1"), observation("o-2", note="new"))
    portal.holds("Condition")
    done = pull(connection, "schedule")
    assert "_lastUpdated" in portal.searches("Observation")[-1].parameters
    assert (done.status, done.total, done.is_full) == ("completed", 1, False)
    assert "Condition/c-1" in records_of(api)


def test_pull_html_404(portal, connected, pull):
    portal.on("/fhir/Goal", Answer(404, body=b"<html>Not found</html>", headers={"Content-Type": "text/html"}))
    portal.on("/fhir/Device", Answer(200, body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"}))
    done = pull(connected())
    assert done.status == "completed"
    assert {search_of(done, "Goal").status, search_of(done, "Device").status} == {"skipped"}


def test_pull_406_empty(portal, connected, pull):
    def only_plain_json(request):
        accepts = request.headers["accept"] == "application/json"
        return fhir(bundle(observation("o-1"))) if accepts else Answer(406)

    portal.on("/fhir/Observation", only_plain_json)
    done = pull(connected())
    assert (done.status, search_of(done).stored) == ("completed", 1)
    assert len(portal.searches("Observation")) == 2
    portal.on("/fhir/Observation", Answer(406))
    portal.offers("Observation")
    Source.objects.update(capabilities_at=None)
    done = pull(connected())
    assert set(done.searches.filter(resource_type="Observation").values_list("status", flat=True)) == {"skipped"}
    assert (done.status, done.errors) == ("partial", 1)


def test_pull_merged_patient_4107(portal, connected, pull):
    """No guess: the search is partial and says so."""
    portal.on("/fhir/Observation", fhir(bundle(outcome("4107"))))
    done = pull(connected())
    assert (done.status, search_of(done).error) == ("partial", "merged_patient")


def test_a_page_that_cannot_be_had_does_not_cost_those_after_it(api, portal, connected, pull):
    portal.pages("Observation", [observation("o-1")], Answer(500), [observation("o-3")])
    done = pull(connected())
    assert search_of(done).lost_pages == [{"page": 2, "reason": "http_500"}]
    assert done.status == "partial"
    assert {"Observation/o-1", "Observation/o-3"} < records_of(api).keys()


def test_an_empty_last_page_is_lost_where_the_total_says_so(portal, connected, pull):
    def answer(request):
        if "page" in request.parameters:
            return fhir(bundle(total=2))
        return fhir(bundle(observation("o-1"), total=2, following=f"{portal.base}/Observation?page=2"))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    search = done.searches.get(resource_type="Observation")
    assert (done.status, search.status, search.lost_pages) == (
        "partial", "partial", [{"page": 2, "reason": "empty"}],
    )  # fmt: skip


def test_an_empty_page_in_the_middle_is_lost_only_where_the_total_says_so(portal, connected, pull):
    portal.pages("Observation", [observation("o-1")], [], [observation("o-3")])
    done = pull(connected())
    assert (done.status, search_of(done).lost_pages) == ("completed", [])


def test_where_the_pages_after_a_lost_one_are_unknown_the_type_is_asked_for_in_parts(api, portal, connected, pull):
    """Opaque links: page 2 is lost and with it the way to page 3; each category has a first page of its own."""

    def answer(request):
        if "cursor" in request.parameters:
            return Answer(500)
        category = request.parameters.get("category", [""])[0]
        id_ = {"": "o-1", "laboratory": "o-2", "vital-signs": "o-3"}.get(category)
        following = None if category else f"{portal.base}/Observation?cursor=xyz"
        return fhir(bundle(*([observation(id_)] if id_ else []), following=following))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    assert (done.status, done.errors) == ("partial", 1)
    whole = done.searches.filter(resource_type="Observation").first()
    assert whole.lost_pages == [{"page": 2, "reason": "http_500", "and_all_after": True}]
    assert {"Observation/o-1", "Observation/o-2", "Observation/o-3"} < records_of(api).keys()


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(limited, portal, connected, pull):
    limited(max_body_bytes=6000)

    def answer(request):
        count = int(request.parameters["_count"][0])
        first = int(request.parameters.get("first", ["0"])[0])
        resources = [observation(f"o-{n}", note="x" * 200) for n in range(first, min(first + count, 25))]
        following = f"{portal.base}/Observation?_count={count}&first={first + count}" if first + count < 25 else None
        return fhir(bundle(*resources, total=25, following=following))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    search = search_of(done)
    assert (done.status, search.fetched, search.pages) == ("completed", 25, 3)
    assert "_count=10" in search.query


def test_a_page_that_takes_too_long_is_asked_for_in_smaller_ones_and_so_from_then_on(portal, connected, pull):
    """What one pull has learned of a type spares the others the waiting, for a week."""
    sizes = []

    def answer(request):
        sizes.append(int(request.parameters["_count"][0]))
        return Answer(504) if sizes[-1] > 10 else fhir(bundle(observation("o-1"), total=1))

    portal.on("/fhir/Observation", answer)
    connection = connected()
    with time_machine.travel("2026-05-01T12:00:00Z", tick=False) as clock:
        assert pull(connection).status == "completed"
        assert (sizes[0], sizes[-1]) == (100, 10)
        sizes.clear()
        pull(connection)
        assert sizes == [10]
        assert portal.searches("Condition")[-1].parameters["_count"] == ["100"]
        sizes.clear()
        clock.shift(timedelta(days=9))
        pull(connection)
        assert sizes[0] == 100


def test_a_page_that_times_out_in_any_size_fails_its_type(portal, connected, pull):
    portal.on("/fhir/Observation", Answer(504))
    done = pull(connected())
    assert (done.status, search_of(done).error) == ("partial", "http_504")
    assert len(portal.searches("Observation")) == 8


def test_a_page_that_is_always_cut_short_does_not_cost_those_after_it(api, portal, connected, pull):
    portal.pages("Observation", [observation("o-1")], fhir('{"resourceType":"Bund'), [observation("o-3")])
    done = pull(connected())
    assert search_of(done).lost_pages == [{"page": 2, "reason": "not_json"}]
    assert {"Observation/o-1", "Observation/o-3"} < records_of(api).keys()
