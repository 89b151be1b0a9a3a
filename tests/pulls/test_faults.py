"""What the wire and the portal can do to a page, each with its outcome; the same page goes right afterwards."""

import pytest

from pulls.models import Record
from tests.portals.portal_double import HTML_502, Answer
from tests.pulls.reading import records_of
from tests.pulls.scripted import FHIR_JSON, bundle, fhir, observation

pytestmark = pytest.mark.django_db

GOOD = fhir(bundle(observation("o-1"), total=1))
CUT = GOOD.wire()[:-20]
SHORT_HTML = Answer(200, body=b"<html>Maintenance</html>")

PASSING = {
    "reset before the answer": Answer(reset=True),
    "hung up before the answer": Answer(hang_up=True),
    "reset in the middle of the body": Answer(raw=CUT),
    "JSON that ends too early": fhir(bundle(observation("o-1"))[:-9]),
    "500": Answer(500),
    "502 with a web page": HTML_502,
    "503 that says when": Answer(503, headers={"Retry-After": "0"}),
    "429 that says nothing": Answer(429, headers={"Retry-After": "0"}),
    "408": Answer(408),
    "not HTTP": Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "compressed, and damaged": Answer(200, body=b"\x1f\x8b damaged", headers={"Content-Encoding": "gzip", **FHIR_JSON}),
}
LASTING = {
    "resets for ever": (Answer(reset=True), "failed", "reset"),
    "500 for ever": (Answer(500), "failed", "http_500"),
    "JSON that always ends too early": (fhir('{"resourceType":"Bundle","ent'), "failed", "not_json"),
    "JSON of another kind": (fhir('{"error":"busy"}'), "failed", "not_fhir"),
    "nothing at all": (fhir(""), "failed", "not_json"),
    "a web page in place of a type": (SHORT_HTML, "skipped", "not_json"),
    "410": (Answer(410), "skipped", "http_410"),
    "a redirect elsewhere": (
        Answer(302, headers={"Location": "https://198.51.100.1/x"}),
        "failed",
        "address_not_allowed",
    ),
    "a redirect in a circle": (Answer(302, headers={"Location": "/fhir/Observation"}), "failed", "redirect"),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("pulls.budgets.CIRCUIT_FAILURES", 1000)


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_nothing(api, portal, connected, pull, fault):
    portal.on("/fhir/Observation", PASSING[fault], GOOD)
    done = pull(connected())
    assert (done.status, done.errors, done.total) == ("completed", 0, 2)
    assert "Observation/o-1" in records_of(api)


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_is_told_and_costs_only_its_type(api, portal, connected, pull, fault):
    answer, status, error = LASTING[fault]
    portal.on("/fhir/Observation", answer)
    portal.holds("Condition", observation("c-1") | {"resourceType": "Condition"})
    done = pull(connected())
    search = done.searches.get(resource_type="Observation")
    assert (search.status, search.error) == (status, error)
    assert done.status == ("completed" if status == "skipped" else "partial")
    assert "Condition/c-1" in records_of(api)


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_between_pages_loses_and_doubles_nothing(portal, connected, pull, fault):
    seen = []

    def answer(request):
        number = int(request.parameters.get("page", ["1"])[0])
        if number == 2 and not seen:
            seen.append(number)
            return PASSING[fault]
        following = f"{portal.base}/Observation?page={number + 1}" if number < 4 else None
        return fhir(bundle(observation(f"o-{number}"), total=4, following=following))

    portal.on("/fhir/Observation", answer)
    done = pull(connected())
    search = done.searches.get(resource_type="Observation")
    assert (done.status, search.pages, search.fetched, search.stored) == ("completed", 4, 4, 4)
    assert Record.objects.filter(resource_type="Observation").count() == 4


def test_a_content_type_that_is_wrong_does_not_matter(api, portal, connected, pull):
    portal.on("/fhir/Observation", Answer(200, body=GOOD.body, headers={"Content-Type": "text/plain"}))
    assert pull(connected()).status == "completed"
    assert "Observation/o-1" in records_of(api)


def test_a_portal_that_sends_a_byte_a_second_is_cut_off(limited, portal, connected, pull):
    """The limit is on the whole call, not on the silence between two bytes."""
    limited(total_seconds=0.3)
    portal.on("/fhir/Observation", Answer(200, body=GOOD.body, headers=FHIR_JSON, drip=0.1))
    done = pull(connected())
    search = done.searches.get(resource_type="Observation")
    assert (search.status, search.error) == ("failed", "deadline")


def test_nothing_of_the_portal_can_be_had(portal, connected, pull):
    for path in [*portal.scripts, *(f"/fhir/{type_}" for type_ in ("Observation", "Condition"))]:
        portal.on(path, Answer(404))
    portal.answer = lambda request: Answer(500)
    waiting = pull(connected())
    assert (waiting.status, waiting.waiting_for) == ("waiting", "capabilities_unavailable")
