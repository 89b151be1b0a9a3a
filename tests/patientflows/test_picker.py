"""Picker Mode (contract 3.1): search, choose, portal, outcome, Done."""

from django.contrib.auth import get_user_model

from patientflows.models import Attempt, PatientFlow, Step
from portals.models import Connection, MissingPortal
from pulls.models import Pull
from tests.patientflows.visitor import Visitor, path_of


def text(answer) -> str:
    return answer.content.decode()


def done(visitor, flow):
    return visitor.post(f"{path_of(flow['url'])}/done")


def test_from_link_to_done(visitor, open_flow, source, api, told, hospital):
    flow = open_flow()
    outcome = visitor.connect(flow, source.pk)
    assert "You are connected to Mayo Clinic" in text(visitor.get(outcome["Location"]))
    assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "open"
    back = done(visitor, flow)
    assert back["Location"] == f"{hospital.return_url}&patient_id=p-1&patient_flow_id={flow['id']}"
    after = api.get(f"/patient-flows/{flow['id']}").json()
    assert (after["status"], after["url"]) == ("complete", None)
    assert after["completed_at"]
    assert [(c["status"], c["connection_id"]) for c in after["connections"]] == [("active", source.pk)]
    assert told() == ["connection.active", "patient_flow.completed"]


def test_a_connection_queues_its_first_pull_in_the_same_transaction(visitor, open_flow, source):
    visitor.connect(open_flow(), source.pk)
    pull = Pull.objects.get()
    assert (pull.status, pull.trigger, pull.connection) == ("queued", "connected", Connection.objects.get())


def test_done_pressed_twice_tells_once_and_leads_to_the_same_place(visitor, open_flow, source, told):
    flow = open_flow()
    visitor.connect(flow, source.pk)
    assert done(visitor, flow)["Location"] == done(Visitor(), flow)["Location"]
    assert told().count("patient_flow.completed") == 1


def test_done_without_any_connection_completes_too(visitor, open_flow, source, api):
    flow = open_flow()
    visitor.open(flow)
    done(visitor, flow)
    after = api.get(f"/patient-flows/{flow['id']}").json()
    assert (after["status"], after["connections"]) == ("complete", [])


def test_done_is_a_post_and_a_get_of_it_does_nothing(visitor, open_flow):
    flow = open_flow()
    assert visitor.get(f"{path_of(flow['url'])}/done")["Location"] == path_of(flow["url"])
    assert PatientFlow.objects.get().is_open


def test_the_button_names_where_it_leads(visitor, open_flow, source, organization):
    def label_on_outcome(flow) -> str:
        return text(visitor.get(visitor.connect(flow, source.pk)["Location"]))

    assert "Done — return to Trials<" in label_on_outcome(open_flow())
    assert ">Done</button>" in label_on_outcome(open_flow(return_button_label=None))
    type(organization).objects.update(button_label="TrialFinder")
    assert "Done — return to TrialFinder<" in label_on_outcome(open_flow(return_button_label=None))


def test_a_refusal_shows_a_kind_sentence_with_retry_and_choose_another(visitor, open_flow, source, api):
    flow = open_flow()
    outcome = visitor.come_back(visitor.leave(flow, source.pk), error="access_denied", error_description="secret text")
    page = text(visitor.get(outcome["Location"]))
    for words in ("You did not share your records", "Try again", "Choose another portal", "Done — return to Trials"):
        assert words in page
    assert "secret text" not in page
    (connection,) = api.get(f"/patient-flows/{flow['id']}").json()["connections"]
    assert (connection["status"], connection["failure_code"], connection["id"]) == ("failed", "user_denied", None)


def test_recommended_ones_are_shown_first_in_the_apps_order(visitor, open_flow, hospital, source):
    zeta = hospital.enter_catalogue("Zeta Hospital", "/fhir/z")
    page = text(visitor.open(open_flow(recommended_connection_ids=[zeta.pk, source.pk])))
    assert page.index("Suggested for you") < page.index("Zeta Hospital") < page.index("Mayo Clinic")


def test_a_source_of_another_environment_or_withdrawn_cannot_be_chosen(visitor, open_flow, source, hospital):
    flow = open_flow()
    type(source).objects.filter(pk=source.pk).update(withdrawn_at=source.created_at)
    assert visitor.choose(flow, source.pk).status_code == 404
    type(source).objects.filter(pk=source.pk).update(withdrawn_at=None, environment="production")
    assert visitor.choose(flow, source.pk).status_code == 404
    assert not Attempt.objects.exists()


def test_an_attempt_of_another_flow_is_not_shown(visitor, open_flow, source):
    outcome = visitor.connect(open_flow(), source.pk)["Location"]
    stranger = path_of(open_flow(patient_id="p-2")["url"])
    assert visitor.get(f"{stranger}/outcome/{outcome.rpartition('/')[2]}").status_code == 404


def test_the_timeline_has_every_step_once_and_no_search_text(visitor, open_flow, source, api):
    flow = open_flow()
    visitor.open(flow)
    visitor.open(flow)
    for query in ("mayo", "mayo clinic", "zzzzqqq"):
        visitor.get(f"{path_of(flow['url'])}/search", {"q": query})
    visitor.connect(flow, source.pk)
    done(visitor, flow)
    steps = api.get(f"/patient-flows/{flow['id']}/timeline").json()["steps"]
    assert [(step["kind"], step["outcome"]) for step in steps] == [
        ("link_opened", ""), ("searched", "found"), ("searched", "nothing_found"), ("source_chosen", ""),
        ("sent_to_portal", ""), ("came_back", ""), ("code_exchanged", ""), ("connected", ""), ("done", ""),
    ]  # fmt: skip
    assert not Step.objects.filter(outcome__contains="mayo").exists()


def test_what_patients_miss_is_kept_without_who_they_are(visitor, open_flow, organization):
    page = f"{path_of(open_flow()['url'])}/missing"
    for _ in range(12):
        answer = visitor.post(page, {"name": "Mercy General", "place": "Reno", "portal_url": "mercy.example"})
        assert answer.status_code == 303
    wish = MissingPortal.objects.first()
    assert (wish.name, wish.place, wish.portal_url, wish.organization) == (
        "Mercy General", "Reno", "mercy.example", organization,
    )  # fmt: skip
    assert MissingPortal.objects.count() == 10  # a minute, of one link


def test_a_patient_who_authorises_twice_keeps_one_connection(visitor, open_flow, source):
    visitor.connect(open_flow(), source.pk)
    visitor.connect(open_flow(), source.pk)
    assert Connection.objects.count() == 1


def test_another_fhir_patient_at_the_same_source_is_another_connection(visitor, open_flow, source, hospital):
    flow = open_flow()
    visitor.connect(flow, source.pk)
    hospital.fhir_patient = "the-child"
    visitor.connect(flow, source.pk)
    assert Connection.objects.count() == 2


def test_what_patients_miss_is_seen_in_the_admin(visitor, open_flow, client):
    visitor.post(f"{path_of(open_flow()['url'])}/missing", {"name": "Mercy General", "place": "Reno"})
    client.force_login(get_user_model().objects.create_superuser("root"))
    assert "Mercy General" in client.get("/admin/portals/missingportal/").content.decode()
