"""The way back from a portal (contract 3.1): believed in the browser that left, held for a code in any other."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection as database
from django.utils import timezone

from connect.crypto import token_hash
from patientflows import returning
from patientflows.confirmation import MAX_TRIES
from patientflows.expire import expire_due
from patientflows.models import Attempt, PatientFlow
from portals.models import Connection, Registration, Revocation
from tests.patientflows.hospital import callback_url
from tests.patientflows.visitor import Visitor, path_of
from tests.portals.portal_double import Answer


@pytest.fixture
def flow(open_flow) -> dict:
    return open_flow()


@pytest.fixture
def asked(visitor, flow, source) -> dict[str, str]:
    """What the portal was asked when the patient left."""
    return visitor.leave(flow, source.pk)


def code_shown(answer) -> str:
    page = answer.content.decode()
    assert "One last step" in page
    return page.partition('<p class="code" translate="no">')[2].partition("</p>")[0]


def type_code(visitor, flow, code: str):
    return visitor.post(f"{path_of(flow['url'])}/code", {"code": code})


# One browser ------------------------------------------------------------------------------------------------


def test_the_cookie_is_for_this_host_and_for_nobodys_eyes(visitor, asked):
    cookie = visitor.cookies["connect_browser"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    attempt = Attempt.objects.get()
    assert attempt.browser_hash == token_hash(cookie.value)


def test_state_is_hashed_and_the_verifier_sealed_at_rest(asked):
    attempt = Attempt.objects.get()
    assert attempt.state_hash == token_hash(asked["state"])
    with database.cursor() as cursor:
        cursor.execute("SELECT * FROM patientflows_attempt")
        row = " ".join(map(str, cursor.fetchone()))
    assert asked["state"] not in row
    assert attempt.verifier not in row


def test_what_the_way_needed_is_forgotten_when_it_ends(visitor, asked):
    visitor.come_back(asked)
    attempt = Attempt.objects.get()
    assert (attempt.verifier, attempt.nonce, attempt.grant) == (None, None, None)


@pytest.mark.parametrize("said", [{"code": "c-1"}, {"error": "access_denied"}])
def test_a_callback_that_comes_twice_gets_the_same_answer_twice(visitor, asked, hospital, said):
    first, second = visitor.come_back(asked, **said), visitor.come_back(asked, **said)
    assert (first.status_code, first["Location"]) == (second.status_code, second["Location"])
    assert len(hospital.to("/token")) == ("code" in said)
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("state", ["", "never-made", "a" * 3000])
def test_a_state_nobody_made_exchanges_nothing(visitor, asked, hospital, state):
    answer = visitor.get("/oauth/callback/epic-tests", {"code": "c", "state": state})
    assert answer.status_code == 400
    assert "Please start again" in answer.content.decode()
    assert hospital.to("/token") == []


def test_a_state_at_another_registrations_address_exchanges_nothing(visitor, asked, hospital):
    Registration.objects.create(id="other", environment="sandbox", vendor="cerner", client_id="c")
    answer = visitor.get("/oauth/callback/other", {"code": "c", "state": asked["state"]})
    assert answer.status_code == 400
    assert hospital.to("/token") == []
    assert Attempt.objects.get().is_pending


def test_a_state_lives_an_hour(visitor, asked, hospital):
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        answer = visitor.come_back(asked)
        assert "The sign-in was not finished" in visitor.get(answer["Location"]).content.decode()
    assert hospital.to("/token") == []
    assert Attempt.objects.get().failure_code == "authorization_abandoned"


def test_who_is_at_the_portal_when_the_link_runs_out_still_finishes(visitor, open_flow, source, api, told):
    flow = open_flow(expires_in=60)
    asked = visitor.leave(flow, source.pk)
    with time_machine.travel(timezone.now() + timedelta(minutes=20)) as clock:
        expire_due()
        assert visitor.open(flow).status_code == 410
        page = visitor.get(visitor.come_back(asked)["Location"])
        assert "You are connected to Mayo Clinic" in page.content.decode()
        assert "Connect another portal" not in page.content.decode()
        visitor.post(f"{path_of(flow['url'])}/done")
        clock.shift(timedelta(hours=1))
        expire_due()
    assert told() == ["connection.active", "patient_flow.completed"]


def test_a_link_ended_meanwhile_connects_nothing(visitor, flow, asked, api):
    api.create(f"/patient-flows/{flow['id']}/expire")
    assert visitor.come_back(asked).status_code == 410
    assert not Connection.objects.exists()


def test_a_head_request_spends_nothing(visitor, asked, hospital):
    assert visitor.head(path_of(callback_url(asked, code="c"))).status_code == 200
    assert hospital.to("/token") == []


def test_a_request_that_read_the_attempt_before_another_settled_it_gets_that_ones_answer(visitor, asked, hospital):
    stale = returning.find_attempt(registration_id="epic-tests", state=asked["state"])
    visitor.come_back(asked)
    settled = returning.come_back(attempt=stale, query_string=f"code=c&state={asked['state']}", same_browser=True)
    assert settled.status == Attempt.Status.CONNECTED
    assert len(hospital.to("/token")) == 1


# Another browser --------------------------------------------------------------------------------------------


def test_another_browser_gets_a_code_and_nothing_is_attached_before_it_is_typed(visitor, flow, asked, told):
    code = code_shown(Visitor().come_back(asked))
    assert len(code.replace(" ", "")) == 6
    assert not Connection.objects.exists()
    assert told() == []
    assert "Type the code" in visitor.open(flow).content.decode()
    outcome = type_code(visitor, flow, code)
    assert "You are connected to Mayo Clinic" in visitor.get(outcome["Location"]).content.decode()
    assert told() == ["connection.active"]


def test_the_code_is_the_same_however_often_the_callback_comes(asked, hospital):
    stranger = Visitor()
    assert code_shown(stranger.come_back(asked)) == code_shown(stranger.come_back(asked))
    assert len(hospital.to("/token")) == 1


def test_typed_where_the_patient_began_whatever_device_that_is(flow, asked):
    code = code_shown(Visitor().come_back(asked))
    outcome = type_code(Visitor(), flow, f" {code.lower()}-")
    assert "/outcome/" in outcome["Location"]


def test_the_other_browser_never_learns_the_link(flow, asked):
    stranger = Visitor()
    page = stranger.come_back(asked).content.decode()
    assert flow["url"].rpartition("/")[2] not in page
    type_code(Visitor(), flow, code_shown(stranger.come_back(asked)))
    page = stranger.come_back(asked).content.decode()
    assert "Go on at the page where you started" in page
    assert flow["url"].rpartition("/")[2] not in page


def test_wrong_codes_run_out_and_the_grant_is_given_back(visitor, flow, asked):
    code = code_shown(Visitor().come_back(asked))
    for _ in range(MAX_TRIES - 1):
        assert type_code(visitor, flow, "2A2A2A").status_code == 400
    assert type_code(visitor, flow, "2A2A2A").status_code == 303
    assert type_code(visitor, flow, code)["Location"] == path_of(flow["url"])
    assert Attempt.objects.get().failure_code == "oauth_callback_failed"
    assert not Connection.objects.exists()
    assert Revocation.objects.count() == 2


def test_a_code_nobody_types_ends_with_the_state(flow, asked):
    Visitor().come_back(asked)
    with time_machine.travel(timezone.now() + timedelta(minutes=61)):
        expire_due()
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.grant) == ("expired", None)
    assert Revocation.objects.count() == 2


def test_a_link_ended_while_its_grant_waits_for_the_code_gives_the_grant_back(flow, asked, api):
    Visitor().come_back(asked)
    assert api.create(f"/patient-flows/{flow['id']}/expire").status_code == 200
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.grant) == ("expired", None)
    assert Revocation.objects.count() == 2


def test_direct_takes_the_code_on_the_link_opened_again(visitor, open_flow, source):
    flow = open_flow(connection_id=source.pk)
    code = code_shown(Visitor().come_back(visitor.leave(flow)))
    assert "Type the code" in visitor.open(flow).content.decode()
    assert "success=true" in type_code(visitor, flow, code)["Location"]
    assert PatientFlow.objects.get().status == "complete"


def test_a_refusal_needs_no_code(asked):
    page = Visitor().come_back(asked, error="access_denied").content.decode()
    assert "You did not share your records" in page
    assert "Go on at the page where you started" in page


# Races ------------------------------------------------------------------------------------------------------


def at_once(*calls) -> list:
    """Run the calls in threads that start together; their answers in order."""
    answers: list = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def run(number, call):
        try:
            ready.wait(5)
            answers[number] = call()
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


@pytest.mark.django_db(transaction=True)
def test_two_callbacks_at_once_spend_the_code_once_and_connect_once(visitor, open_flow, source, hospital, told):
    hospital.on("/token", lambda request: slowly(hospital, request))
    asked = visitor.leave(open_flow(), source.pk)
    first, second = at_once(*[lambda: visitor.come_back(asked, code="c")] * 2)
    assert first["Location"] == second["Location"]
    assert "/outcome/" in first["Location"]
    assert len(hospital.to("/token")) == 1
    assert told() == ["connection.active"]


def slowly(hospital, request) -> Answer:
    threading.Event().wait(0.3)
    return hospital.token(request)


@pytest.mark.django_db(transaction=True)
def test_done_in_many_tabs_at_once_is_told_once(visitor, open_flow, source, told):
    flow = open_flow()
    visitor.connect(flow, source.pk)
    answers = at_once(*[lambda: visitor.post(f"{path_of(flow['url'])}/done")] * 4)
    assert len({answer["Location"] for answer in answers}) == 1
    assert told().count("patient_flow.completed") == 1


@pytest.mark.django_db(transaction=True)
def test_two_tabs_coming_back_from_one_portal_make_one_connection(visitor, open_flow, source):
    flow = open_flow()
    tabs = [visitor.leave(flow, source.pk) for _ in range(2)]
    answers = at_once(*[lambda asked=asked: visitor.come_back(asked) for asked in tabs])
    assert [answer.status_code for answer in answers] == [303, 303]
    assert Connection.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_code_side_by_side_do_not_get_more_tries(visitor, open_flow, source):
    flow = open_flow()
    asked = visitor.leave(flow, source.pk)
    Visitor().come_back(asked)
    answers = at_once(*[lambda: type_code(Visitor(), flow, "2A2A2A")] * 8)
    assert all(answer.status_code in (303, 400) for answer in answers)
    assert Attempt.objects.get().confirmation_tries <= MAX_TRIES
    assert not Connection.objects.exists()
