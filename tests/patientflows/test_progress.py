"""How a pull is going, in a patient's words: a number that grows while it runs, and what came when it is over."""

import threading

import pytest
from django.db import connection as database

from patientflows.progress import sentence
from pulls.models import Pull
from pulls.run import run_pull
from tests.patientflows.hospital import observations
from tests.portals.portal_double import Answer


@pytest.mark.parametrize(
    ("records", "status", "said"),
    [
        (0, "queued", "We are asking Mayo for your records."),
        (0, "running", "We are asking Mayo for your records."),
        (1, "running", "1 record from Mayo so far"),
        (37, "waiting", "37 records from Mayo so far"),
        (1, "completed", "1 record from Mayo is here."),
        (37, "completed", "37 records from Mayo are here."),
        (3, "partial", "3 records from Mayo are here. Some could not be brought yet. We will try again."),
        (0, "failed", "We could not bring your records yet. We will try again."),
        (0, "completed", "Mayo has no records to share."),
    ],
)
def test_it_is_said_in_a_sentence(records, status, said):
    assert sentence("Mayo", records, status) == said


def outcome_of(visitor, open_flow, source) -> str:
    return visitor.connect(open_flow(), source.pk)["Location"]


def test_the_pages_script_asks_for_number_sentence_and_end(visitor, open_flow, source):
    progress = outcome_of(visitor, open_flow, source) + "/progress"
    assert visitor.get(progress).json() == {
        "records": 0, "finished": False, "text": "We are asking Mayo Clinic for your records.",
    }  # fmt: skip
    run_pull(Pull.objects.get().pk)
    assert visitor.get(progress).json() == {
        "records": 38, "finished": True, "text": "38 records from Mayo Clinic are here.",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_number_grows_while_the_pull_is_still_running(visitor, open_flow, source, hospital):
    progress = outcome_of(visitor, open_flow, source) + "/progress"
    asked, go_on = threading.Event(), threading.Event()

    def second_page(request) -> Answer:
        asked.set()
        go_on.wait(30)
        return Answer(json=observations(40))

    first = observations(37) | {"link": [{"relation": "next", "url": f"{hospital.url}/fhir/more"}]}
    hospital.on("/fhir/Observation", Answer(json=first))
    hospital.on("/fhir/more", second_page)
    worker = threading.Thread(target=pull_in_thread, args=(Pull.objects.get().pk,))
    worker.start()
    try:
        assert asked.wait(30)
        told = wait_for(lambda: visitor.get(progress).json(), lambda told: told["records"] >= 37)
        assert (told["finished"], told["text"]) == (False, f"{told['records']} records from Mayo Clinic so far")
    finally:
        go_on.set()
        worker.join(30)
    assert visitor.get(progress).json()["finished"] is True


def pull_in_thread(pull_id: str) -> None:
    try:
        run_pull(pull_id)
    finally:
        database.close()


def wait_for(ask, is_good, *, tries: int = 200):
    for _ in range(tries):
        told = ask()
        if is_good(told):
            return told
        threading.Event().wait(0.05)
    raise AssertionError(told)


def test_a_stranger_learns_nothing(visitor, open_flow, source, client):
    outcome = outcome_of(visitor, open_flow, source)
    assert client.get(f"/c/never/outcome/{outcome.rpartition('/')[2]}/progress").status_code == 404
