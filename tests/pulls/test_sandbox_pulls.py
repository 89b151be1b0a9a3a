"""Whole pulls over real HTTP against the sandbox's portals."""

import json

from pulls.models import Record
from tests.pulls.reading import records_of


def held_by(sandbox, slug: str, connection) -> dict[str, dict]:
    lines = map(json.loads, sandbox.holdings(slug, connection.fhir_patient_id))
    return {f"{each['resourceType']}/{each['id']}": each for each in lines}


def manifest_of(api, pull) -> dict:
    return api.get(f"/pulls/{pull.pk}/manifest").json()


def test_everything_the_portal_holds_arrives(api, at_sandbox, sandbox, pull):
    connection = at_sandbox()
    done = pull(connection)
    assert (done.status, done.errors, done.error) == ("completed", 0, "")
    assert done.first_record_at is not None
    assert records_of(api).keys() == held_by(sandbox, "plain", connection).keys()


def test_the_manifest_names_exactly_what_an_incomplete_portal_withheld(api, at_sandbox, sandbox, pull):
    connection = at_sandbox("incomplete")
    done = pull(connection)
    manifest = manifest_of(api, done)

    assert done.status == "partial"
    assert [(each["type"], each["reason"]) for each in manifest["types_refused"]] == [("CarePlan", "http_403")]
    lost = {each["type"]: each["pages_lost"] for each in manifest["searches"] if each["pages_lost"]}
    long_types = {each["type"] for each in manifest["searches"] if (each["total"] or 0) > 200}
    assert long_types
    assert lost == {type_: [{"page": 3, "reason": "empty"}] for type_ in long_types}
    failed = [each for each in manifest["documents"]["lacking"] if each["status"] == "failed"]
    assert sorted(each["reason"] for each in failed) == ["http_404", "http_500"]
    assert done.errors == len(long_types) + 1

    missing = held_by(sandbox, "incomplete", connection).keys() - records_of(api).keys()
    named = {each["target"] for each in failed}
    assert named < missing
    assert {each.partition("/")[0] for each in missing - named} <= {"CarePlan", *long_types}


def test_a_flaky_portal_gives_all(api, at_sandbox, sandbox, pull):
    """Each page fails once with Retry-After."""
    connection = at_sandbox("flaky")
    assert pull(connection).status == "completed"
    assert records_of(api).keys() == held_by(sandbox, "flaky", connection).keys()


def test_an_epic_like_portal_gives_all(api, at_sandbox, sandbox, pull):
    connection = at_sandbox("epic-like", vendor="epic")
    done = pull(connection)
    missing = held_by(sandbox, "epic-like", connection).keys() - records_of(api).keys()
    assert missing == set()
    assert done.status == "completed"


def test_paging_that_loops_ends_and_is_told(api, at_sandbox, pull):
    done = pull(at_sandbox("looping-pages"))
    looped = [each for each in manifest_of(api, done)["searches"] if each["error"] == "page_repeated"]
    assert done.status == "partial"
    assert all(each["status"] == "partial" and each["pages"] == 2 for each in looped)
    assert looped


def test_types_answered_with_a_bare_outcome_are_refused_with_their_code(api, at_sandbox, pull):
    done = pull(at_sandbox("operation-outcome-200"))
    refused = {each["type"] for each in manifest_of(api, done)["types_refused"]}
    assert refused == {"Condition", "MedicationRequest", "Procedure"}
    assert (done.status, done.errors) == ("partial", 3)


def test_a_second_pull_writes_nothing(api, at_sandbox, pull):
    connection = at_sandbox()
    pull(connection)
    before = list(Record.objects.order_by("pk").values_list("pk", "position", "digest", "pull_id", "landed_at"))
    again = pull(connection)
    assert (again.status, again.total) == ("completed", 0)
    assert list(Record.objects.order_by("pk").values_list("pk", "position", "digest", "pull_id", "landed_at")) == before
