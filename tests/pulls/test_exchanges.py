"""What a portal said in a pull that is not complete is kept without the patient's data, and can be played again."""

import json
import re
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from structlog.contextvars import bound_contextvars

from pulls.exchanges import recorder
from pulls.exchanges.disguise import BASE, Disguise
from pulls.exchanges.replay import Replay
from pulls.models import Exchange, Pull, Search
from tests.portals.portal_double import HTML_502, Answer
from tests.pulls.conftest import make_patient
from tests.pulls.scripted import ScriptedPortal, fhir, observation

pytestmark = pytest.mark.django_db

PERSONAL = {
    "resourceType": "Observation", "id": "obs-778899", "status": "final", "subject": {"reference": "Patient/pat-1"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}], "text": "Blutwert"},
    "note": [{"text": "Frau Müller is pregnant"}], "effectiveDateTime": "1987-04-21T10:00:00+02:00",
    "valueQuantity": {"value": 13.75, "unit": "g/dL"}, "performer": [{"reference": "Practitioner/dr-house"}],
}  # fmt: skip
SECRETS = ("obs-778899", "Müller", "pregnant", "pat-1", "1987", "13.75", "dr-house", "718-7", "Hemoglobin", "Blutwert")
REFUSAL = {"resourceType": "OperationOutcome", "issue": [
    {"severity": "error", "code": "forbidden", "diagnostics": "Patient Jane Roe has not consented"}]}  # fmt: skip


class ReplayedPortal(ScriptedPortal):
    """A kept exchange as a portal again."""

    def __init__(self, exchange: dict):
        super().__init__()
        self.replay = Replay(exchange, self.base)

    def answer(self, request) -> Answer:
        target = request.path + (f"?{request.query}" if request.query else "")
        if not target.startswith("/fhir/") or target.startswith("/fhir/metadata"):
            return super().answer(request)
        said = self.replay.answer(target.removeprefix("/fhir"))
        return Answer(reset=True) if said.status is None else Answer(said.status, body=said.body, headers=said.headers)


def outcome(pull) -> dict:
    rows = Search.objects.filter(pull=pull).values_list("resource_type", "status", "error")
    return {name: (status, error) for name, status, error in rows}


@pytest.fixture
def failed(portal, connected, pull):
    """A pull that brought an Observation and was refused, cut off and not understood elsewhere."""
    portal.offers("Observation", "Condition", "Immunization", "Procedure", "AllergyIntolerance")
    portal.holds("Observation", PERSONAL)
    portal.on("/fhir/Condition", fhir(REFUSAL, 403))
    portal.on("/fhir/Immunization", HTML_502)
    portal.on("/fhir/Procedure", Answer(200, body=b"<html>Maintenance</html>"))
    portal.on("/fhir/AllergyIntolerance", Answer(reset=True))
    return pull(connected())


def test_a_pull_that_is_not_complete_leaves_its_exchange(failed):
    kept = json.loads(failed.exchange.told)
    assert (failed.status, kept["status"]) == ("partial", "partial")
    refused = next(call for call in kept["calls"] if call["url"].startswith("/Condition"))
    assert (refused["status"], refused["verdict"], refused["reason"]) == (403, "refused", "http_403")
    assert refused["body"]["issue"][0]["code"] == "forbidden"
    assert failed.exchange.calls == len(kept["calls"])


def test_nothing_of_the_patient_is_in_it(failed):
    kept = failed.exchange.told
    assert [secret for secret in (*SECRETS, "Jane", "Roe") if secret in kept] == []
    assert "127.0.0.1" not in kept


def test_our_own_words_and_fhirs_stay(failed):
    kept = failed.exchange.told
    assert all(word in kept for word in ("Observation", "searchset", "http://loinc.org", "_count", "error"))


def test_a_complete_pull_leaves_none(portal, connected, pull):
    portal.offers("Observation")
    portal.holds("Observation", observation("o-1"))
    assert pull(connected()).status == "completed"
    assert not Exchange.objects.exists()


def test_calls_past_the_bounds_are_counted(portal, connected, pull, monkeypatch):
    monkeypatch.setattr(recorder, "MOST_CALLS", 1)
    portal.offers("Observation", "Condition")
    portal.on("/fhir/Condition", fhir(REFUSAL, 403))
    kept = json.loads(pull(connected()).exchange.told)
    assert len(kept["calls"]) == 1
    assert kept["calls_left_out"] >= 1


def test_log_lines_of_the_threads_that_fetch_name_the_request(portal, connected, pull, caplog):
    portal.offers("Observation")
    with bound_contextvars(request_id="the-request"), caplog.at_level("DEBUG", logger="connect.outbound"):
        pull(connected())
    named = [record.msg.get("request_id") for record in caplog.records if record.threadName.startswith("fetch")]
    assert named
    assert set(named) == {"the-request"}


def test_played_again_it_comes_to_the_same_end(failed, connected, pull, tenant):
    kept = json.loads(failed.exchange.told)
    with ReplayedPortal(kept) as portal:
        portal.offers("Observation", "Condition", "Immunization", "Procedure", "AllergyIntolerance")
        again = pull(connected(portal=portal, patient=make_patient(tenant, "p-2"), fhir_patient=kept["patient"]))
    assert again.status == failed.status
    assert outcome(again) == outcome(failed)


class TestCommand:
    """`manage.py replay_exchange`"""

    @pytest.fixture
    def file(self, failed, tmp_path):
        path = tmp_path / "exchange.json"
        path.write_text(failed.exchange.told)
        return path

    @pytest.mark.timeout(600)  # it migrates a database of its own
    @pytest.mark.parametrize("where", [["--here"], []], ids=["here", "in a database that is thrown away"])
    def test_it_comes_to_the_same_end_and_leaves_nothing(self, file, where, capfd, failed):
        call_command("replay_exchange", str(file), *where)
        told = capfd.readouterr().out
        assert "then: partial" in told
        assert "now:  partial" in told
        assert re.search(r"Condition +refused +0 fetched +http_403", told)
        assert list(Pull.objects.all()) == [failed]

    def test_another_file_is_refused_in_words(self, tmp_path):
        (tmp_path / "other.json").write_text("{}")
        with pytest.raises(CommandError, match="is no exchange"):
            call_command("replay_exchange", str(tmp_path / "other.json"))


class TestDisguise:
    disguise = Disguise(b"k" * 32, "https://portal.example/api/FHIR/R4/")

    def test_the_same_value_gets_the_same_replacement_and_another_key_another_one(self):
        assert self.disguise.word("Jane-42") == self.disguise.word("Jane-42") != "Jane-42"
        assert Disguise(b"l" * 32, "").word("Jane-42") != self.disguise.word("Jane-42")

    def test_the_shape_stays(self):
        one, two = self.disguise.word("Jane-42").split("-")
        assert (len(one), one[0].isupper(), one[1:].islower(), two.isdigit()) == (4, True, True, True)

    def test_references_and_urls_point_to_the_same_thing_still(self):
        told = self.disguise.body({"resourceType": "Observation", "subject": {"reference": "Patient/abc"}})
        address = self.disguise.url("https://portal.example/api/FHIR/R4/Patient/abc")
        assert address == f"{BASE}/{told['subject']['reference']}"

    def test_a_url_keeps_its_parameters_names_and_loses_their_values(self):
        url = self.disguise.url("https://portal.example/api/FHIR/R4/Observation?patient=abc&_count=50&token=s3cr3t")
        assert urlsplit(url).path == "/fhir/Observation"
        assert "_count=50" in url
        assert "token=" in url
        assert "s3cr3t" not in url
        assert "abc" not in url

    def test_a_url_of_elsewhere_loses_its_host(self):
        assert "evil" not in self.disguise.url("https://evil.example/x")

    def test_numbers_and_dates_keep_their_form(self):
        told = self.disguise.body({"value": 120.50, "birthDate": "1987-04-21", "year": "1987"})
        assert isinstance(told["value"], float)
        assert told["birthDate"].startswith("2000-")
        assert told["year"] == "2000"

    def test_what_only_looks_like_our_words_is_replaced(self):
        told = self.disguise.body({"resourceType": "Patient", "code": "F32.9", "type": "Jane Roe"})
        assert told["code"] != "F32.9"
        assert told["type"] != "Jane Roe"

    def test_something_endlessly_deep_is_cut(self):
        deep: dict = {}
        for _ in range(200):
            deep = {"a": deep}
        assert self.disguise.body(deep)
