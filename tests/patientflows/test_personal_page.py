"""The patient's own page (contract 8): found by its token, theirs alone, theirs to turn off."""

import json

import pytest
from django.core import mail
from django.db import connection as database

from connect.audit.models import Entry
from connect.crypto import token_hash
from patientflows import personal_pages
from patientflows.models import PatientLink
from portals.models import Connection
from pulls.models import Pull
from pulls.run import run_pull
from tests.patientflows.visitor import Visitor, path_of


@pytest.fixture
def mine(visitor, open_flow, source) -> str:
    """The path of the page of a patient with one connection."""
    visitor.connect(open_flow(patient_email="ann@example.org"), source.pk)
    return path_of_link()


def path_of_link() -> str:
    return f"/my/{PatientLink.objects.live().get().token}"


def shown(answer) -> str:
    return answer.content.decode()


def test_the_link_comes_with_the_first_connection_and_stays_the_same(visitor, open_flow, source, hospital, mine):
    other = hospital.enter_catalogue("Zeta Hospital", "/fhir/z")
    outcome = visitor.get(visitor.connect(open_flow(), other.pk)["Location"])
    assert mine in shown(outcome)
    page = shown(visitor.get(mine))
    assert page.index("Zeta Hospital") < page.index("Mayo Clinic")


def test_its_token_is_192_random_bits_found_by_hash_and_sealed(mine):
    token = mine.rpartition("/")[2]
    assert len(token) == 32
    with database.cursor() as cursor:
        cursor.execute("SELECT token_hash, token FROM patientflows_patientlink")
        hashed, sealed = cursor.fetchone()
    assert hashed == token_hash(token)
    assert token not in str(sealed)


def test_a_guess_and_a_link_turned_off_get_the_same_answer(visitor, mine):
    visitor.post(f"{mine}/turn-off")
    off, guess = visitor.get(mine), visitor.get("/my/guess")
    assert (off.status_code, off.content) == (guess.status_code, guess.content)
    assert off.status_code == 404
    for page in ("receipts/x", "records.ndjson", "turn-off"):
        assert visitor.get(f"{mine}/{page}").status_code == 404


def test_after_a_link_was_turned_off_the_next_connection_brings_a_new_one(visitor, open_flow, source, mine):
    visitor.post(f"{mine}/turn-off")
    visitor.connect(open_flow(), source.pk)
    assert path_of_link() != mine
    assert visitor.get(path_of_link()).status_code == 200


def test_guessing_is_slowed_down_by_address(visitor, mine, monkeypatch):
    monkeypatch.setattr(personal_pages, "VISITS_PER_MINUTE", 5)
    answers = [visitor.get("/my/guess") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [404] * 5 + [429] * 2
    assert 1 <= int(answers[-1]["Retry-After"]) <= 60
    assert visitor.get(mine, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_disconnecting_asks_once_and_twice_is_the_same_as_once(visitor, mine, told):
    connection = Connection.objects.get()
    page = f"{mine}/connections/{connection.pk}/disconnect"
    assert "Stop sharing from Mayo Clinic?" in shown(visitor.get(page))
    assert Connection.objects.get().is_active
    for _ in range(2):
        assert visitor.post(page)["Location"] == mine
    assert Connection.objects.get().status == "disconnected"
    assert Connection.objects.get().access_token is None
    assert Pull.objects.get().status == "canceled"
    assert told().count("connection.disconnected") == 1
    entry = Entry.objects.get(action="connection.disconnected")
    assert (entry.actor_kind, entry.address) == ("patient", "127.0.0.1")


def test_nobody_elses_connection_or_receipt_can_be_reached(visitor, open_flow, source, mine):
    visitor.connect(open_flow(patient_id="p-2"), source.pk)
    others = Connection.objects.exclude(patient__patient_id="p-1").get()
    assert visitor.post(f"{mine}/connections/{others.pk}/disconnect").status_code == 404
    assert visitor.get(f"{mine}/receipts/{others.receipts.get().pk}").status_code == 404
    assert visitor.get(f"{mine}/receipts/{others.receipts.get().pk}/receipt.json").status_code == 404
    assert Connection.objects.get(pk=others.pk).is_active


def test_all_records_can_be_downloaded_and_that_is_audited(visitor, mine):
    run_pull(Pull.objects.get().pk)
    answer = visitor.get(f"{mine}/records.ndjson")
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert len(lines) == 38
    assert answer["Content-Type"] == "application/fhir+ndjson"
    assert "no-store" in answer["Cache-Control"]
    assert Entry.objects.filter(action="records.downloaded", actor_kind="patient").count() == 1


def test_another_patients_records_are_not_in_the_download(visitor, open_flow, source, mine):
    run_pull(Pull.objects.get().pk)
    visitor.connect(open_flow(patient_id="p-2"), source.pk)
    link = PatientLink.objects.get(patient__patient_id="p-2")
    assert b"".join(visitor.get(f"/my/{link.token}/records.ndjson").streaming_content) == b""


def test_the_email_goes_to_the_known_address_once_in_ten_minutes(visitor, mine):
    assert visitor.post(f"{mine}/email", {"to": "evil@example.org"})["Location"] == f"{mine}?sent=yes"
    assert visitor.post(f"{mine}/email")["Location"] == f"{mine}?sent=no"
    (sent,) = mail.outbox
    assert sent.to == ["ann@example.org"]
    assert f"http://testserver{mine}" in sent.body


def test_no_address_known_no_email(visitor, open_flow, source):
    visitor.connect(open_flow(patient_id="p-3"), source.pk)
    assert "by e-mail" not in shown(visitor.get(path_of_link()))
    assert visitor.post(f"{path_of_link()}/email")["Location"].endswith("?sent=no")


def test_a_mail_server_that_is_down_is_told_and_breaks_nothing(visitor, mine, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert visitor.post(f"{mine}/email")["Location"] == f"{mine}?sent=no"


def test_erasing_the_patient_ends_the_page(visitor, mine, api):
    api.delete("/patients/p-1")
    assert Visitor().get(mine).status_code == 404


def test_a_form_from_another_site_changes_nothing(mine):
    strict = Visitor(enforce_csrf_checks=True)
    connection = Connection.objects.get()
    answer = strict.post(f"{mine}/connections/{connection.pk}/disconnect", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Please try that once more" in shown(answer)
    assert Connection.objects.get().is_active


def test_the_page_is_of_this_patient_in_this_environment(visitor, mine, source):
    page = shown(visitor.get(mine))
    assert "p-1" not in page
    assert "ann@example.org" not in page
    assert path_of(f"http://testserver{mine}") == mine
