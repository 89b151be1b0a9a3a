"""Retries: only what lacked is asked for again, and the manifests stay honest about the whole."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from connect.audit.models import Entry
from connect.errors import ResourceConflict
from portals.models import Connection
from pulls import sweep
from pulls.actions import cancel_pull, queue_pull, retry_failed_types
from pulls.models import Pull, Record
from pulls.run import run_pull
from tests.factories import STAFF
from tests.portals.portal_double import Answer
from tests.pulls.reading import records_of
from tests.pulls.scripted import bundle, fhir, observation

pytestmark = pytest.mark.django_db
DAY = 24 * 3600


@pytest.fixture(autouse=True)
def one_portal_does_not_pause_it(monkeypatch):
    monkeypatch.setattr("pulls.budgets.CIRCUIT_FAILURES", 1000)


def resource(type_: str, id_: str) -> dict:
    return observation(id_) | {"resourceType": type_}


def asked(portal, since: int = 0) -> set[str]:
    """The types asked for from the n-th request on."""
    return {request.path.split("/")[2] for request in portal.requests[since:]} - {"metadata"}


def retry(pull: Pull) -> Pull:
    made = retry_failed_types(pull=pull, by=STAFF)
    run_pull(made.pk)
    return Pull.objects.get(pk=made.pk)


def manifest_of(api, pull: Pull) -> dict:
    return api.get(f"/pulls/{pull.pk}/manifest").json()


def note(id_: str, url: str) -> dict:
    return resource("DocumentReference", id_) | {"content": [{"attachment": {"url": url}}]}


@pytest.fixture
def lacking(portal, connected, pull):
    """A pull without CarePlan (refused), without Condition (failed), with half of Procedure and without one document."""
    portal.holds("Immunization", resource("Immunization", "i-1"))
    portal.on("/fhir/CarePlan", Answer(403))
    portal.on("/fhir/Condition", Answer(500))
    portal.pages("Procedure", [resource("Procedure", "o-1")], Answer(404))
    portal.holds("DocumentReference", note("d-1", f"{portal.base}/Binary/b-1"))
    portal.on("/fhir/Binary/b-1", Answer(500))
    return pull(connected())


def all_is_well(portal) -> None:
    portal.holds("CarePlan", resource("CarePlan", "cp-1"))
    portal.holds("Condition", resource("Condition", "c-1"))
    portal.pages("Procedure", [resource("Procedure", "o-1")], [resource("Procedure", "o-2")])
    portal.on(
        "/fhir/Binary/b-1", fhir({"resourceType": "Binary", "id": "b-1", "contentType": "text/plain", "data": ""})
    )


def test_a_retry_asks_only_for_what_lacked(api, portal, lacking):
    assert (lacking.status, lacking.errors) == ("partial", 3)
    all_is_well(portal)
    before = len(portal.requests)
    done = retry(lacking)
    assert asked(portal, before) == {"CarePlan", "Condition", "Procedure", "Binary"}
    assert (done.status, done.errors, done.trigger, done.retry_of) == ("completed", 0, "retry", lacking)
    assert done.total == 4
    assert {"CarePlan/cp-1", "Condition/c-1", "Procedure/o-2", "Binary/b-1", "Immunization/i-1"} <= records_of(
        api
    ).keys()


def test_what_had_come_is_not_written_again(portal, lacking):
    all_is_well(portal)
    before = Record.objects.get(resource_id="o-1").position
    retry(lacking)
    assert Record.objects.get(resource_id="o-1").position == before


def test_its_manifest_tells_what_it_asked_and_who_vouches_for_the_rest(api, portal, lacking):
    all_is_well(portal)
    done = retry(lacking)
    manifest = manifest_of(api, done)
    assert manifest["retry_of"] == lacking.pk
    assert {each["type"] for each in manifest["searches"]} == {"CarePlan", "Condition", "Procedure"}
    vouched = {each["type"]: each for each in manifest["types_vouched_before"]}
    assert vouched["Immunization"] == {"type": "Immunization", "status": "done", "pull_id": lacking.pk}
    assert not vouched.keys() & {"CarePlan", "Condition", "Procedure"}
    assert manifest["documents"]["fetched"] == 1


def test_a_whole_pulls_manifest_leans_on_nobody(api, lacking):
    manifest = manifest_of(api, lacking)
    assert (manifest["retry_of"], manifest["types_vouched_before"]) == (None, [])


def test_completeness_is_told_over_the_pull_and_its_retries(api, portal, lacking):
    all_is_well(portal)
    portal.on("/fhir/CarePlan", Answer(403))
    done = retry(lacking)
    (one,) = api.get("/patients/p-1/completeness").json()["connections"]
    assert (done.status, done.errors) == ("partial", 1)
    assert (one["is_complete"], one["types_lacking"]) == (False, ["CarePlan"])
    assert {"Patient", "Immunization", "Condition", "Procedure"} <= set(one["types_complete"])


def test_a_retry_that_gets_nothing_is_partial_not_failed(portal, lacking):
    """Together with the pull it completes there is something; and a further retry asks for the same."""
    portal.on("/fhir/Procedure", Answer(500))
    first = retry(lacking)
    assert (first.status, first.errors) == ("partial", 3)
    before = len(portal.requests)
    all_is_well(portal)
    second = retry(first)
    assert asked(portal, before) == {"CarePlan", "Condition", "Procedure", "Binary"}
    assert (second.status, second.retry_of) == ("completed", lacking)


def test_a_retry_of_a_pull_without_a_plan_asks_for_everything(portal, connected):
    portal.on("/fhir/metadata", Answer(503))
    made = queue_pull(connection=connected(), trigger="connected")
    with time_machine.travel(timezone.now()) as clock:
        while Pull.objects.get(pk=made.pk).is_open:
            run_pull(made.pk)
            clock.move_to(Pull.objects.get(pk=made.pk).due_at + timedelta(seconds=1))
        portal.offers()
        portal.holds("Observation", observation("o-1"))
        done = retry(Pull.objects.get(pk=made.pk))
    assert (done.status, done.is_full) == ("completed", True)
    assert {"Patient", "Observation", "Condition"} <= asked(portal)


def test_what_is_absent_from_a_retried_type_is_gone_and_from_no_other(portal, connected, pull):
    portal.holds("Condition", resource("Condition", "c-1"), resource("Condition", "c-2"))
    portal.holds("Immunization", resource("Immunization", "i-1"))
    connection = connected()
    pull(connection)
    portal.on("/fhir/Condition", Answer(500))
    partial = pull(connection)
    portal.holds("Condition", resource("Condition", "c-2"))
    portal.holds("Immunization")
    retry(partial)
    assert list(Record.objects.filter(change="gone").values_list("resource_id", flat=True)) == ["c-1"]


def test_the_form_of_the_patient_that_a_portal_wants_is_kept_for_the_retry(portal, connected, pull):
    """Asked the other way this portal finds nothing, which would pass for "has none"."""

    def by_type(name, well):
        def answer(request):
            if request.parameters["patient"] != ["Patient/pat-1"]:
                return fhir(bundle(total=0))
            return fhir(bundle(resource(name, "x-1"), total=1)) if well else Answer(500)

        return answer

    portal.on("/fhir/Immunization", by_type("Immunization", True))
    portal.on("/fhir/Condition", by_type("Condition", False))
    partial = pull(connected())
    assert partial.status == "partial"
    portal.on("/fhir/Condition", by_type("Condition", True))
    assert retry(partial).total == 1


def test_after_what_failed_the_sweep_makes_a_retry_of_it(portal, lacking):
    connection = Connection.objects.get()
    with time_machine.travel(connection.next_pull_at + timedelta(seconds=1)):
        sweep.queue_scheduled()
        made = Pull.objects.first()
        assert (made.trigger, made.retry_of) == ("retry", lacking)
        all_is_well(portal)
        before = len(portal.requests)
        run_pull(made.pk)
    assert asked(portal, before) == {"CarePlan", "Condition", "Procedure", "Binary"}
    connection.refresh_from_db()
    assert (connection.next_pull_at - connection.last_pulled_at).total_seconds() > 0.9 * DAY


def test_the_pull_of_the_next_day_asks_for_everything_however_the_retries_ended(portal, connected, pull):
    portal.on("/fhir/CarePlan", Answer(403))
    connection = connected()
    pull(connection)
    connection.refresh_from_db()
    with time_machine.travel(connection.next_pull_at + timedelta(seconds=1)):
        sweep.queue_scheduled()
        made = Pull.objects.first()
        run_pull(made.pk)
    made.refresh_from_db()
    assert (made.trigger, made.retry_of, made.is_full) == ("schedule", None, True)


def test_changes_are_asked_for_since_the_pull_that_asked_for_all_types(portal, connected, pull):
    """A retry looked at one type only: what changed in the others before it must not be missed."""
    portal.offers(Immunization=["_lastUpdated"], Condition=["_lastUpdated"])
    connection = connected()
    with time_machine.travel("2026-05-01T12:00:00Z", tick=False) as clock:
        assert pull(connection).status == "completed"
        clock.move_to("2026-05-02T12:00:00Z")
        portal.on("/fhir/Condition", Answer(500))
        partial = pull(connection, trigger="schedule")
        assert (partial.status, partial.is_full) == ("partial", False)
        clock.move_to("2026-05-02T18:00:00Z")
        portal.holds("Condition")
        assert retry(partial).status == "completed"
        clock.move_to("2026-05-03T12:00:00Z")
        portal.requests.clear()
        pull(connection, trigger="schedule")
    (request,) = portal.searches("Immunization")
    assert request.parameters["_lastUpdated"] == ["gt2026-05-02T11:00:00Z"]


def test_a_retry_is_made_once_and_says_who_asked(lacking):
    made = retry_failed_types(pull=lacking, by=STAFF)
    assert retry_failed_types(pull=lacking, by=STAFF) == made
    assert Pull.objects.filter(retry_of=lacking).count() == 1
    assert Entry.objects.filter(action="pull.queued", object_id=made.pk).get().actor == "tester"


def test_there_is_nothing_to_retry_where_nothing_lacks(portal, connected, pull):
    done = pull(connected())
    with pytest.raises(ResourceConflict, match="Nothing is lacking"):
        retry_failed_types(pull=done, by=STAFF)
    assert Pull.objects.count() == 1


def test_only_the_last_answer_is_retried(portal, lacking, pull):
    later = pull(lacking.connection)
    with pytest.raises(ResourceConflict, match=later.pk):
        retry_failed_types(pull=lacking, by=STAFF)


def test_a_pull_that_was_canceled_is_not_retried(connected):
    made = queue_pull(connection=connected(), trigger="connected")
    cancel_pull(pull=made, by=STAFF)
    made.refresh_from_db()
    with pytest.raises(ResourceConflict, match="canceled"):
        retry_failed_types(pull=made, by=STAFF)


def test_none_is_not_claimed_of_a_type_when_only_changes_were_asked_for(api, portal, connected, pull):
    portal.offers(Immunization=["_lastUpdated"])
    portal.holds("Immunization", resource("Immunization", "i-1"))
    connection = connected()
    pull(connection)
    portal.holds("Immunization")
    assert pull(connection, trigger="schedule").is_full is False
    (one,) = api.get("/patients/p-1/completeness").json()["connections"]
    (sentence,) = [each for each in one["sentences"] if "has none" in each]
    assert "Condition" in sentence
    assert "Immunization" not in sentence


def test_over_the_api_a_retry_is_queued_and_refused_where_nothing_lacks(api, portal, lacking):
    all_is_well(portal)
    answer = api.create(f"/pulls/{lacking.pk}/retry").json()
    assert (answer["status"], answer["trigger"], answer["retry_of"]) == ("queued", "retry", lacking.pk)
    run_pull(answer["id"])
    progress = api.get(f"/pulls/{answer['id']}").json()["progress"]
    assert {each["type"] for each in progress} == {"CarePlan", "Condition", "Procedure"}
    again = api.create(f"/pulls/{lacking.pk}/retry")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "resource_conflict")
