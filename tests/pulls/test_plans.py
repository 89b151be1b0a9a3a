"""Plans: what is asked, in which order, and what instead (reference 4.7, 4.8)."""

import json

import pytest

from pulls.capabilities import Capabilities, NotACapabilityStatement, read_statement
from pulls.compartment import FIRST, OBSERVATION_CATEGORIES, US_CORE
from pulls.plans import plan, search_url, withheld

ALL = "launch/patient openid patient/*.rs"
BASE = "https://portal.example/r4"


def offering(**types: dict) -> Capabilities:
    """Capabilities read from a statement in which each type has these members."""
    resources = [
        {"type": name, "interaction": [{"code": "search-type"}, {"code": "read"}], **more}
        for name, more in types.items()
    ]
    statement = {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": resources}]}
    return read_statement(json.dumps(statement).encode())


def parameters(*names: str) -> dict:
    return {"searchParam": [{"name": name} for name in names]}


def types(searches) -> list[str]:
    return list(dict.fromkeys(search.type for search in searches))


def of(searches, type_: str):
    return [search for search in searches if search.type == type_]


def test_first_things_come_first():
    assert types(plan(scopes=ALL))[:5] == list(FIRST)


def test_every_us_core_type_is_asked_for_though_the_portal_lists_none():
    assert set(US_CORE) <= set(types(plan(scopes=ALL, capabilities=offering())))
    assert "CarePlan" in types(plan(scopes=ALL, capabilities=offering(Observation=parameters("patient"))))


def test_the_long_tail_is_asked_for_where_it_is_listed_as_searchable_by_patient():
    listed = offering(
        Flag=parameters("patient"), Account=parameters("name"), Consent={"interaction": [{"code": "read"}]}
    )
    searches = plan(scopes=ALL, capabilities=listed)
    assert "Flag" in types(searches)
    assert not {"Account", "Consent", "NutritionOrder"} & set(types(searches))
    assert not of(searches, "Flag")[0].required


def test_only_what_was_granted_is_asked_for():
    granted = "launch/patient patient/Patient.read patient/Condition.read patient/Immunization.write"
    assert types(plan(scopes=granted)) == ["Patient", "Condition"]
    assert {"Immunization", "Observation"} <= set(withheld(granted))
    assert "Condition" not in withheld(granted)
    assert withheld(ALL) == []


def test_granular_scopes_become_the_queries():
    granted = [f"patient/Observation.rs?category={name}" for name in ("laboratory", "vital-signs")]
    queries = [search.bare_query for search in of(plan(scopes=granted, vendor="epic"), "Observation")]
    assert queries == ["category=laboratory", "category=vital-signs"]


def test_the_patient_alone_is_asked_first_and_categories_are_what_is_left():
    [search] = of(plan(scopes=ALL), "Observation")
    assert search.bare_query == ""
    assert search.alternatives[0] == [""], "once more without the optional parameters"
    assert search.alternatives[1] == [f"{query}&_count=100" for query in OBSERVATION_CATEGORIES]


def test_epic_is_asked_by_category_at_once_and_never_by_date():
    listed = offering(Observation=parameters("patient", "_lastUpdated"), Goal=parameters("patient", "_lastUpdated"))
    searches = plan(scopes=ALL, capabilities=listed, vendor="epic", changed_since={"Goal": "2026-01-01T00:00:00Z"})
    assert [search.bare_query for search in of(searches, "Observation")] == list(OBSERVATION_CATEGORIES)
    assert all("category=" in search.query for search in of(searches, "CarePlan"))
    assert "_lastUpdated" not in of(searches, "Goal")[0].query


def test_athena_is_told_the_intent_of_medication_requests():
    assert of(plan(scopes=ALL, vendor="athena"), "MedicationRequest")[0].bare_query == "intent=order,plan"


def test_payers_are_asked_for_claims_before_the_long_tail():
    searches = plan(scopes=ALL, category="payer")
    assert types(searches)[:3] == ["Patient", "ExplanationOfBenefit", "Coverage"]
    assert "ExplanationOfBenefit" not in types(plan(scopes=ALL, capabilities=offering()))
    assert "ExplanationOfBenefit" in types(plan(scopes="patient/ExplanationOfBenefit.read patient/Patient.read"))


def test_changes_are_asked_for_only_where_the_portal_can_tell():
    listed = offering(Goal=parameters("patient", "_lastUpdated"), Device=parameters("patient"))
    since = dict.fromkeys(("Goal", "Device"), "2026-01-01T00:00:00Z")
    searches = plan(scopes=ALL, capabilities=listed, changed_since=since)
    assert of(searches, "Goal")[0].query == "_count=100&_lastUpdated=gt2026-01-01T00:00:00Z"
    assert of(searches, "Device")[0].query == "_count=100"


def test_what_comes_along_is_asked_for_where_it_is_offered():
    listed = offering(
        MedicationRequest={
            "searchInclude": ["MedicationRequest:medication"],
            "searchRevInclude": ["Provenance:target"],
        },
        Goal={"searchRevInclude": ["Provenance:target"]},
    )
    searches = plan(scopes=ALL, capabilities=listed)
    query = "_count=100&_include=MedicationRequest:medication&_revinclude=Provenance:target"
    assert of(searches, "MedicationRequest")[0].query == query
    own = offering(Provenance=parameters("patient"), Goal={"searchRevInclude": ["Provenance:target"]})
    assert of(plan(scopes=ALL, capabilities=own), "Goal")[0].query == "_count=100"


def test_a_sources_own_settings_have_the_last_word():
    overrides = {"page_size": 20, "plan": {"skip": ["Device"], "queries": {"Goal": ["lifecycle-status=active"]}}}
    searches = plan(scopes=ALL, vendor="epic", overrides=overrides)
    assert "Device" not in types(searches)
    assert [search.query for search in of(searches, "Goal")] == ["lifecycle-status=active&_count=20"]


def test_a_patient_is_read_and_everything_else_searched():
    assert [search.type for search in plan(scopes=ALL) if search.is_read] == ["Patient"]
    assert search_url(f"{BASE}/", "Patient", "", "a/b") == f"{BASE}/Patient/a%2Fb"
    assert search_url(BASE, "Goal", "_count=9", "1") == f"{BASE}/Goal?patient=1&_count=9"


def test_pull_bare_id_zero_hits_has_another_form_to_try():
    assert search_url(BASE, "Goal", "", "e.A-1", typed=True) == f"{BASE}/Goal?patient=Patient/e.A-1"


def test_an_id_cannot_add_parameters():
    assert search_url(BASE, "Goal", "", "1&_id=2#") == f"{BASE}/Goal?patient=1%26_id%3D2%23"


def test_capabilities_survive_being_cached():
    listed = offering(
        Goal={**parameters("patient"), "operation": [{"name": "x"}]}, Binary={"interaction": [{"code": "read"}]}
    )
    again = Capabilities.from_dict(json.loads(json.dumps(listed.to_dict())))
    assert again == listed
    assert (again.lists("Goal"), again.lists("Binary"), again.types["Binary"].can_read) == (True, False, True)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"resourceType":"OperationOutcome"}', b"[" * 100_000])
def test_what_is_no_statement_is_refused(body):
    with pytest.raises(NotACapabilityStatement):
        read_statement(body)


@pytest.mark.parametrize("rest", [None, [], [{"resource": "x"}], [{"resource": [{"type": 7}, 3]}], ["x"]])
def test_a_lean_statement_lists_nothing_and_breaks_nothing(rest):
    capabilities = read_statement(json.dumps({"resourceType": "CapabilityStatement", "rest": rest}).encode())
    assert (capabilities.types, capabilities.is_known) == ({}, True)
