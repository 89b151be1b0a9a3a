"""Each pretend portal does what the list of portals says it does."""

import json
import time

import pytest
import time_machine

from portals.sandbox.variants import PORTALS, VARIANTS
from tests.portals.sandbox.visitor import App

NOON = 1_800_000_000  # on a whole ten seconds


def numbers_of_pages(app, type_="Observation", count=50):
    """Status of each page by number, following next links as far as they go."""
    answer = app.get(type_, {"patient": app.patient, "_count": count})
    seen = [answer.status_code]
    while answer.status_code == 200 and len(seen) < 50:
        following = [link["url"] for link in answer.json()["link"] if link["relation"] == "next"]
        if not following:
            break
        answer = app.get(following[0])
        seen.append(answer.status_code)
    return seen


def test_every_portal_is_listed_with_its_address_and_what_happens(client):
    page = client.get("/sandbox/").content.decode()
    listed = {each["slug"]: each for each in client.get("/sandbox/variants.json").json()["variants"]}
    assert set(listed) == set(VARIANTS)
    for variant in VARIANTS.values():
        assert variant.name in page
        assert listed[variant.slug]["description"] == variant.description
        assert listed[variant.slug]["fhir_base_url"] == f"http://testserver/sandbox/{variant.slug}/fhir"
        assert listed[variant.slug]["fhir_base_url"] in page


def test_accounts_are_listed_with_their_patients(client):
    accounts = {each["username"]: each for each in client.get("/sandbox/accounts.json").json()["accounts"]}
    assert len(accounts["patient"]["patients"]) == 1
    assert [each["id"] for each in accounts["parent"]["patients"]] == ["rivera-marisol", "rivera-agustin", "rivera-zoe"]
    assert accounts["doe-john"]["patients"] == [{"id": "doe-john", "name": "John Doe"}]


def test_an_unknown_portal_is_not_there(client):
    assert client.get("/sandbox/nowhere/fhir/metadata").status_code == 404


def test_any_slug_that_begins_with_at_is_a_plain_portal_of_its_own(connected):
    willow = connected("at-willow-creek")
    assert willow.get(f"Patient/{willow.patient}").status_code == 200
    assert willow.get(f"http://testserver/sandbox/plain/fhir/Patient/{willow.patient}").status_code == 401


CONNECTING = [
    variant.slug
    for variant in PORTALS
    if not (variant.patient_denies or variant.callback_error or variant.token_endpoint_fails or variant.omits_patient)
    and variant.auth_methods[0] != "private_key_jwt"
    and not variant.delay_seconds
    and not variant.legacy
]


@pytest.mark.parametrize("slug", CONNECTING)
def test_a_portal_that_is_not_about_connecting_connects(connected, slug):
    app = connected(slug)
    assert app.get(f"Patient/{app.patient}").status_code == 200


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_patient_denies_whatever_is_pressed(app, decision):
    denies = app("patient-denies")
    assert denies.decide(denies.log_in(), decision)["error"] == "access_denied"


@pytest.mark.parametrize(("slug", "error"), [("callback-error", "server_error"), ("invalid-scope", "invalid_scope")])
def test_the_callback_brings_an_error(app, slug, error):
    failing = app(slug)
    assert failing.decide(failing.log_in())["error"] == error


def test_wrong_issuer_comes_back_from_somebody_else(app):
    wrong = app("wrong-issuer")
    answer = wrong.decide(wrong.log_in())
    assert answer["code"]
    assert answer["iss"] != wrong.fhir


def test_token_endpoint_fails_with_500(app):
    failing = app("token-endpoint-fails")
    answer = failing.exchange(failing.code())
    assert answer.status_code == 500
    assert answer.json()["error"] == "server_error"


def test_no_patient_is_named_in_the_token_answer(connected):
    assert "patient" not in connected("no-patient").tokens


def test_misconfigured_offers_plain_pkce_only(app):
    told = app().http.get(f"{app('misconfigured').fhir}/.well-known/smart-configuration").json()
    assert told["code_challenge_methods_supported"] == ["plain"]


def test_no_refresh_token_lapses_after_five_minutes(connected):
    app = connected("no-refresh-token")
    assert "refresh_token" not in app.tokens
    assert app.tokens["expires_in"] == 300
    with time_machine.travel(time.time() + 301):
        assert app.get(f"Patient/{app.patient}").status_code == 401


def test_refresh_stops_after_two_uses(connected):
    app = connected("refresh-stops")
    assert [app.refresh().status_code for _ in range(3)] == [200, 200, 400]
    assert app.refresh().json()["error"] == "invalid_grant"


def test_short_access_lives_a_minute_and_can_be_renewed(connected):
    with time_machine.travel(NOON, tick=False) as clock:
        app = connected("short-access")
        clock.shift(59)
        assert app.get(f"Patient/{app.patient}").status_code == 200
        clock.shift(2)
        assert app.get(f"Patient/{app.patient}").status_code == 401
        app.refresh()
        assert app.get(f"Patient/{app.patient}").status_code == 200


def test_slow_takes_three_seconds_an_answer(app, monkeypatch):
    waits = []
    monkeypatch.setattr("portals.sandbox.faults.time.sleep", waits.append)
    slow = app("slow").connect()
    slow.get(f"Patient/{slow.patient}")
    assert waits == [3, 3]


def test_rate_limited_answers_429_and_works_when_retry_after_is_honoured(connected):
    with time_machine.travel(NOON, tick=False) as clock:
        app = connected("rate-limited")
        address = f"Patient/{app.patient}"
        assert [app.get(address).status_code for _ in range(30)] == [200] * 30
        answer = app.get(address)
        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 11
        clock.shift(int(answer["Retry-After"]))
        assert app.get(address).status_code == 200


def test_one_patients_limit_is_not_anothers(connected):
    with time_machine.travel(NOON, tick=False):
        busy, other = connected("rate-limited"), connected("rate-limited", "doe-john")
        for _ in range(31):
            last = busy.get(f"Patient/{busy.patient}")
        assert last.status_code == 429
        assert other.get("Patient/doe-john").status_code == 200


def test_half_of_the_observation_pages_fail_always(connected):
    app = connected("broken-pages")
    assert numbers_of_pages(app) == [200, 500]
    assert numbers_of_pages(app) == [200, 500]
    assert set(numbers_of_pages(app, "Condition", 10)) == {200}


def test_flaky_pages_fail_once_each(connected):
    app = connected("flaky")
    for address in ("Condition", "Condition?_count=10", "Procedure"):
        assert [app.get(address).status_code for _ in range(3)] == [503, 200, 200]


def test_looping_pages_lead_back_to_the_first(connected):
    app = connected("looping-pages")
    links = []
    for page in app.pages("Observation", {"_count": 50}, limit=4):
        links.append(next(each["url"] for each in page.json()["link"] if each["relation"] == "next"))
        first = page.json()["entry"][0]["resource"]["id"]
    assert links[0] == links[2]
    assert links[1] == links[3]
    assert first == app.get(links[0]).json()["entry"][0]["resource"]["id"]


def test_a_huge_history_has_twenty_thousand_observations(connected):
    app = connected("huge-history", "doe-john")
    assert app.get("Observation", {"_summary": "count"}).json()["total"] == 20_000
    assert len(app.holdings()) == 20_000 + 2 + 3
    ids = app.ids("Observation", {"_count": 250})
    assert len(set(ids)) == 20_000
    one = app.get(f"Observation/{ids[12_345]}")
    assert one.content in app.holdings()
    assert one.json()["subject"]["reference"] == "Patient/doe-john"


def test_a_huge_history_can_be_searched(connected, settings):
    settings.SANDBOX_HUGE_RESOURCES = 400
    app = connected("huge-history", "doe-john")
    halves = [app.ids("Observation", {"category": each}) for each in ("laboratory", "vital-signs")]
    assert [len(half) for half in halves] == [200, 200]
    assert not set(halves[0]) & set(halves[1])
    assert len(app.ids("Observation", {"code": "2160-0"})) == 100


def test_one_patients_huge_history_is_not_anothers(connected):
    john, marisol = connected("huge-history", "doe-john"), connected("huge-history", "parent")
    first = john.get("Observation", {"_count": 1}).json()["entry"][0]["resource"]["id"]
    assert marisol.get(f"Observation/{first}").status_code == 404


@pytest.mark.parametrize("type_", ["Condition", "MedicationRequest", "Procedure"])
def test_operation_outcome_with_200(connected, type_):
    app = connected("operation-outcome-200")
    answer = app.get(type_)
    assert answer.status_code == 200
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert app.get("Observation").json()["resourceType"] == "Bundle"


def test_an_outage_begins_with_a_new_grants_sixth_request_and_lasts_a_minute(connected):
    with time_machine.travel(NOON, tick=False) as clock:
        app = connected("outage")
        address = f"Patient/{app.patient}"
        assert [app.get(address).status_code for _ in range(7)] == [200] * 6 + [503]
        down = app.get(address)
        assert int(down["Retry-After"]) <= 61
        assert "json" not in down["Content-Type"]
        clock.shift(61)
        assert [app.get(address).status_code for _ in range(20)] == [200] * 20


def test_an_outage_of_one_grant_is_not_anothers(connected):
    first, second = connected("outage"), connected("outage", "doe-john")
    for _ in range(7):
        last = first.get(f"Patient/{first.patient}")
    assert last.status_code == 503
    assert second.get("Patient/doe-john").status_code == 200


def test_an_outage_on_demand_takes_everything_down(connected):
    with time_machine.travel(NOON, tick=False) as clock:
        app = connected("outage")
        assert app.http.post(f"{app.base}/outage", headers={"Accept": "application/json"}).json() == {
            "down_seconds": 60
        }
        assert app.get(f"Patient/{app.patient}").status_code == 503
        assert app.refresh().status_code == 503
        assert app.authorize().status_code == 503
        assert app.http.get(f"{app.fhir}/.well-known/smart-configuration").status_code == 503
        clock.shift(61)
        assert app.get(f"Patient/{app.patient}").status_code == 200


def test_only_the_outage_portal_can_be_taken_down(client):
    assert client.post("/sandbox/plain/outage").status_code == 404


def test_incomplete_refuses_care_plans(connected):
    app = connected("incomplete")
    assert app.get("CarePlan").status_code == 403
    assert app.get("CareTeam").status_code == 200


def test_incomplete_sends_page_three_empty_and_goes_on(connected):
    app = connected("incomplete")
    sizes = [len(page.json().get("entry", ())) for page in app.pages("Observation", {"_count": 50})]
    total = app.get("Observation", {"_count": 0}).json()["total"]
    assert sizes[2] == 0
    assert sizes[:2] + sizes[3:-1] == [50] * (len(sizes) - 2)
    assert sum(sizes) == total - 50


def test_incomplete_cannot_open_the_first_two_documents(connected):
    app = connected("incomplete")
    held = [json.loads(line) for line in app.holdings()]
    files = [each["id"] for each in held if each["resourceType"] == "Binary"]
    assert [app.get(f"Binary/{each}").status_code for each in files] == [404, 500, 200, 200]


class TestLegacy:
    SCOPE = "launch/patient offline_access patient/*.read patient/Condition.rs openid"

    def test_discovery_is_by_metadata_only(self, app):
        legacy = app("legacy")
        assert legacy.http.get(f"{legacy.fhir}/.well-known/smart-configuration").status_code == 404
        assert legacy.http.get(f"{legacy.fhir}/metadata").status_code == 200

    def test_scopes_are_v1_and_there_is_no_issuer(self, app):
        legacy = app("legacy")
        answer = legacy.decide(legacy.log_in(scope=self.SCOPE))
        assert "iss" not in answer
        tokens = legacy.exchange(answer["code"]).json()
        assert tokens["scope"] == "launch/patient offline_access patient/*.read"
        assert "id_token" not in tokens

    def test_pkce_may_be_left_out_but_counts_when_given(self, app):
        legacy = app("legacy")
        without = {"code_challenge": None, "code_challenge_method": None}
        code = legacy.decide(legacy.log_in(scope=self.SCOPE, **without))["code"]
        assert legacy.exchange(code, code_verifier=None).status_code == 200
        code = legacy.code(scope=self.SCOPE)
        assert legacy.exchange(code, code_verifier="x" * 43).status_code == 400


class TestEpicLike:
    def test_observations_need_a_category(self, connected):
        app = connected("epic-like")
        answer = app.get("Observation", {"patient": app.patient})
        assert answer.status_code == 400
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "59108"
        assert app.get("Observation", {"category": "laboratory"}).json()["total"] > 0

    def test_no_results_are_an_outcome_entry(self, connected):
        app = connected("epic-like", "doe-john")
        entries = app.get("Condition").json()["entry"]
        assert [each["search"]["mode"] for each in entries] == ["outcome"]
        assert entries[0]["resource"]["issue"][0]["details"]["coding"][0]["code"] == "4101"

    def test_offline_access_is_given_and_not_mentioned(self, connected):
        app = connected("epic-like")
        assert "offline_access" not in app.tokens["scope"]
        assert app.refresh().json()["refresh_token"]


def test_private_key_jwt_is_all_the_portal_says_it_takes():
    app = App("private-key-jwt")
    told = app.http.get(f"{app.fhir}/.well-known/smart-configuration").json()
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert told["token_endpoint_auth_signing_alg_values_supported"] == ["RS384", "ES384"]
