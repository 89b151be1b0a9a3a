"""`/webhooks` and `/events` (contract 6): what comes in, what goes out, and who may see it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from connect.audit.models import Entry
from connect.organizations.models import ApiKey
from tests.factories import make_endpoint
from webhooks import claims, event_types, sequence, settling
from webhooks.actions import emit, forget_patient
from webhooks.models import Delivery, Endpoint, Event
from webhooks.pruning import prune
from webhooks.sending import send

pytestmark = pytest.mark.django_db
URL = "http://127.0.0.1:9/hooks"
ENDPOINT = {
    "id", "resource_type", "url", "events", "status", "description", "metadata", "api_version", "created_at", "updated_at",
}  # fmt: skip


def test_an_endpoint_is_made_read_changed_and_deleted(api):
    made = api.create(
        "/webhooks", {"url": URL, "events": ["*"], "description": "d" * 500, "metadata": {"team": "data"}}
    ).json()
    assert set(made) == ENDPOINT | {"secret"}
    assert (made["status"], made["api_version"], made["metadata"]) == ("active", "2026-04-25", {"team": "data"})
    assert made["secret"].startswith("whsec_")
    read = api.get(f"/webhooks/{made['id']}").json()
    assert read == {name: made[name] for name in ENDPOINT}
    changed = api.change(f"/webhooks/{made['id']}", {"events": ["records.sync.failed"], "description": None}).json()
    assert (changed["events"], changed["description"], changed["url"]) == (["records.sync.failed"], None, URL)
    assert changed["updated_at"] > read["updated_at"]
    assert api.delete(f"/webhooks/{made['id']}").json() == {
        "id": made["id"], "resource_type": "webhook_endpoint", "deleted": True,
    }  # fmt: skip
    assert api.get(f"/webhooks/{made['id']}").status_code == 404
    actions = list(Entry.objects.filter(object_id=made["id"]).order_by("pk").values_list("action", flat=True))
    assert actions == ["webhook_endpoint.created", "webhook_endpoint.updated", "webhook_endpoint.deleted"]


def test_bad_bodies_name_their_first_fault(api):
    body = {"url": URL, "events": ["*"]}
    for change, param in [
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "/hooks"}, "url"),
        ({"url": "https://user:pass@example.org/"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["*", "nonsense"]}, "events[1]"),
        ({"events": "*"}, "events"),
        ({"description": "d" * 501}, "description"),
        ({"metadata": {"x": "y" * 16 * 1024}}, "metadata"),
        ({"secret": "mine"}, "secret"),
    ]:
        answer = api.create("/webhooks", {**body, **change})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), change
    assert not Endpoint.objects.exists()


def test_every_known_type_may_be_listened_to(api):
    made = api.create("/webhooks", {"url": URL, "events": list(event_types.KNOWN)}).json()
    assert made["events"] == list(event_types.KNOWN)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hooks", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.8/", "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data", "https://[fd00:ec2::254]/", "https://[::ffff:127.0.0.1]/",
        "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://localhost/",
        "https://connect.internal/", "https://metadata.google.internal/", "https://[64:ff9b::7f00:1]/", "https://0.0.0.0/",
    ],
)  # fmt: skip
def test_a_url_that_is_not_public_https_is_refused_when_saved(api, settings, url):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = settings.OUTBOUND_ALLOW_PRIVATE = False
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    for answer in (
        api.create("/webhooks", {"url": url, "events": ["*"]}),
        api.change(f"/webhooks/{an_endpoint(api)}", {"url": url}),
    ):
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")


def an_endpoint(api) -> str:
    """An endpoint at a public address: the documentation's own is none, so it is written past the check."""
    return make_endpoint(ApiKey.objects.get(), "https://203.0.113.7/hooks").pk


def test_a_name_that_leads_elsewhere_after_the_check_is_refused_when_sent(
    tenant, settings, monkeypatch, receiver, happen, deliver
):
    """DNS rebinding: public when it was saved, loopback when it is called."""
    settings.OUTBOUND_ALLOWED_NETWORKS, settings.OUTBOUND_ALLOW_PRIVATE = [], False
    port = receiver.server.server_port
    make_endpoint(tenant, f"http://rebound.example.org:{port}/hook")
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("127.0.0.1", port))])
    event = happen()
    deliver()
    assert receiver.received == []
    assert Delivery.objects.get(event=event).error == "address_not_allowed"


def test_a_redirect_to_a_private_address_is_not_followed(tenant, receiver, happen, deliver):
    receiver.answer = lambda received: (302, b"", {"Location": receiver.url.replace("/hook", "/inside")})
    make_endpoint(tenant, receiver.url)
    happen()
    deliver()
    assert [received.path for received in receiver.received] == ["/hook"]


def test_endpoints_and_events_of_others_are_not_found(api, stranger, production, endpoint, happen):
    event = happen()
    for client in (stranger, production):
        for method, path in [
            ("get", f"/webhooks/{endpoint.pk}"), ("delete", f"/webhooks/{endpoint.pk}"),
            ("get", f"/webhooks/{endpoint.pk}/events"), ("get", f"/events/{event.pk}"),
            ("get", f"/events?webhook_id={endpoint.pk}"),
        ]:  # fmt: skip
            assert getattr(client, method)(path).status_code == 404, path
        for path in (f"/webhooks/{endpoint.pk}/test", f"/webhooks/{endpoint.pk}/rotate-secret",
                     f"/events/{event.pk}/redeliver", f"/sandbox/webhooks/{endpoint.pk}/advance"):  # fmt: skip
            assert client.create(path, {}).status_code == 404, path
        assert client.get("/events").json()["data"] == client.get("/webhooks").json()["data"] == []
    assert Endpoint.objects.filter(pk=endpoint.pk).exists()


def test_lists_are_filtered(api, tenant, endpoint, receiver, happen, deliver):
    disabled = make_endpoint(tenant, URL, events=["records.sync.failed"])
    api.change(f"/webhooks/{disabled.pk}", {"status": "disabled"})
    ids = lambda path: [row["id"] for row in api.get(path).json()["data"]]  # noqa: E731
    assert ids("/webhooks?status=active") == [endpoint.pk]
    assert ids("/webhooks?status=disabled") == [disabled.pk]
    told = happen()
    deliver()
    waiting = happen("records.sync.completed")
    assert ids(f"/webhooks/{endpoint.pk}/events?delivered=true") == [told.pk]
    assert ids(f"/webhooks/{endpoint.pk}/events?delivered=false") == [waiting.pk]
    assert ids("/events?type=records.sync.completed") == [waiting.pk]
    assert api.get("/events?after_sequence=0").json()["error"]["param"] == "after_sequence"


def test_an_event_is_read_with_its_attempts(api, endpoint, receiver, happen, deliver):
    receiver.answer = lambda received: (500, b"out of order")
    event = happen()
    deliver()
    read = api.get(f"/events/{event.pk}").json()
    assert (read["attempts"], read["last_status_code"], read["last_response_body"]) == (1, 500, "out of order")
    [attempt] = read["deliveries"]
    assert (attempt["number"], attempt["trigger"], attempt["status_code"], attempt["error"]) == (
        1,
        "event",
        500,
        "status",
    )
    assert attempt["duration_ms"] >= 0


def test_an_event_is_redelivered_under_its_id_once_a_minute(api, endpoint, receiver, happen, deliver, time_machine):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    event = happen()
    deliver()
    queued = api.create(f"/events/{event.pk}/redeliver").json()
    assert (queued["id"], queued["status"], queued["last_redelivered_at"]) == (
        event.pk, "pending", "2026-05-01T10:00:00.000Z",
    )  # fmt: skip
    deliver()
    time_machine.shift(20)
    answer = api.create(f"/events/{event.pk}/redeliver")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "40"
    time_machine.shift(40)
    assert api.create(f"/events/{event.pk}/redeliver").status_code == 200
    deliver()
    assert [received.headers["webhook-id"] for received in receiver.received] == [event.pk] * 3
    event.refresh_from_db()
    assert (event.attempts, event.status) == (3, "delivered")


def test_a_refusal_that_asks_to_wait_is_not_kept_for_the_idempotency_key(api, endpoint, happen, deliver, time_machine):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    event = happen()
    key = {"Idempotency-Key": "again"}
    assert api.create(f"/events/{event.pk}/redeliver").status_code == 200
    assert api.create(f"/events/{event.pk}/redeliver", **key).status_code == 429
    time_machine.shift(61)
    assert api.create(f"/events/{event.pk}/redeliver", **key).status_code == 200


def test_a_test_event_is_sent_whatever_the_endpoint_listens_to(api, tenant, receiver, deliver):
    endpoint = make_endpoint(tenant, receiver.url, events=["records.sync.failed"])
    queued = api.create(f"/webhooks/{endpoint.pk}/test").json()
    deliver()
    [event] = receiver.events
    assert (event["id"], event["type"], event["data"]["object"]["id"]) == (
        queued["id"], "webhook_endpoint.test", endpoint.pk,
    )  # fmt: skip


def test_a_disabled_endpoint_takes_no_test_redelivery_or_recovery(api, endpoint, happen):
    event = happen()
    api.change(f"/webhooks/{endpoint.pk}", {"status": "disabled"})
    for path, body in [
        (f"/webhooks/{endpoint.pk}/test", {}),
        (f"/events/{event.pk}/redeliver", {}),
        (f"/webhooks/{endpoint.pk}/recover", {"since": "2026-01-01T00:00:00Z"}),
    ]:
        answer = api.create(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "resource_conflict")
    assert Event.objects.get().status == "held"


def test_recover_takes_a_time_in_the_past(api, endpoint):
    for since in ("2999-01-01T00:00:00Z", "yesterday", None):
        answer = api.create(f"/webhooks/{endpoint.pk}/recover", {"since": since})
        assert answer.json()["error"]["param"] == "since"


def test_recover_queues_what_was_missed_since_then_and_nothing_else(
    api, endpoint, receiver, happen, deliver, time_machine
):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    old = happen()
    time_machine.shift(3600)
    delivered = happen()
    Event.objects.filter(pk=old.pk).update(status="exhausted", next_attempt_at=None)
    deliver()
    missed = happen()
    Event.objects.filter(pk=missed.pk).update(status="exhausted", next_attempt_at=None)
    receiver.received.clear()
    assert api.create(f"/webhooks/{endpoint.pk}/recover", {"since": "2026-05-01T10:30:00Z"}).json()["queued"] == 1
    deliver()
    assert [event["id"] for event in receiver.events] == [missed.pk]
    assert delivered.pk != missed.pk


def test_the_sandbox_clock_lives_through_the_schedule(api, production, endpoint, receiver, happen, deliver):
    receiver.answer = lambda received: 503
    event = happen()
    deliver()
    for seconds in (90, 400, 2200, 8000, 50_000, 3 * 100_000):
        assert api.create(f"/sandbox/webhooks/{endpoint.pk}/advance", {"seconds": seconds}).status_code == 200
        for _ in range(4):
            deliver()
    event.refresh_from_db()
    assert (event.status, event.attempts) == ("exhausted", 9)
    assert api.get(f"/webhooks/{endpoint.pk}").json()["status"] == "disabled"
    assert production.create(f"/sandbox/webhooks/{endpoint.pk}/advance", {"seconds": 1}).status_code == 404


def test_deleting_an_endpoint_deletes_its_history(api, endpoint, receiver, happen, deliver):
    happen()
    deliver()
    api.delete(f"/webhooks/{endpoint.pk}")
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()
    happen()
    deliver()
    assert len(receiver.received) == 1


def test_an_event_is_rolled_back_with_its_change(tenant, endpoint, receiver, deliver):
    with transaction.atomic():
        emit(tenant=tenant, type="patient_flow.completed", object={"id": "pf_1"})
        transaction.set_rollback(True)
    deliver()
    assert receiver.received == []


def test_an_erased_patient_leaves_no_personal_data_in_events(tenant, endpoint, receiver, happen, deliver):
    receiver.answer = lambda received: (200, b"thanks, Ann")
    sent = happen(patient_id="p-1", resource_type="patient_flow", status="complete", metadata={"name": "Ann"})
    deliver()
    waiting = happen(patient_id="p-1", metadata={"name": "Ann"})
    other = happen(patient_id="p-2", metadata={"name": "Bob"})
    assert forget_patient(tenant=tenant, patient_id="p-1") == 2
    sent.refresh_from_db()
    assert sent.data == {
        "object": {"id": "pf_1", "resource_type": "patient_flow", "status": "complete", "erased": True}
    }
    assert (sent.patient_id, sent.last_response_body) == (None, None)
    deliver()
    bodies = {received.event["id"]: received.body for received in receiver.received[1:]}
    assert b"Ann" not in bodies[waiting.pk]
    assert b"Bob" in bodies[other.pk]


def test_history_is_forgotten_in_time(endpoint, receiver, happen, deliver, time_machine, settings):
    time_machine.move_to("2026-05-01T10:00:00Z", tick=False)
    receiver.answer = lambda received: (200, b"thanks")
    event = happen()
    deliver()
    held = happen()
    Event.objects.filter(pk=held.pk).hold()
    time_machine.shift(timedelta(days=settings.WEBHOOK_ATTEMPT_DAYS + 1))
    prune()
    event.refresh_from_db()
    assert not Delivery.objects.exists()
    assert event.last_response_body is None
    time_machine.shift(timedelta(days=settings.WEBHOOK_EVENT_DAYS))
    prune()
    assert list(Event.objects.values_list("pk", flat=True)) == [held.pk], "what is still to be delivered stays"


def test_hot_paths_ask_little_of_the_database(
    api, tenant, endpoint, receiver, happen, deliver, django_assert_max_num_queries
):
    api.get("/events")
    with django_assert_max_num_queries(4), transaction.atomic():  # two of them a savepoint's
        emit(tenant=tenant, type="patient_flow.completed", object={"id": "pf_1"})
    for n in range(99):
        happen(n=n)
    with django_assert_max_num_queries(200):  # two an event, and fewer where the machine is not busy with others
        deliver()
    assert len(receiver.received) == 100
    with django_assert_max_num_queries(3):
        assert len(api.get("/events?limit=100").json()["data"]) == 100


def test_a_worker_that_lost_its_lease_changes_nothing(endpoint, receiver, happen):
    """Two workers, one of them so slow that its lease ran out: what the other wrote stands."""
    event = happen()
    sequence.number_new_events()
    now = timezone.now()
    [slow] = claims.claim({endpoint: 5}, fence=1, now=now)
    assert claims.claim({endpoint: 5}, fence=2, now=now) == [], "a lease keeps others away"
    receiver.answer = lambda received: 500
    late = send(slow)
    [quick] = claims.claim({endpoint: 5}, fence=2, now=now + claims.LEASE)
    receiver.answer = lambda received: 200
    settling.settle([send(quick)])
    settling.settle([late])
    event.refresh_from_db()
    assert (event.status, event.attempts, event.last_status_code) == ("delivered", 2, 200)


def test_what_waited_too_long_for_a_thread_is_put_back_unsent(endpoint, receiver, happen, monkeypatch):

    event = happen()
    sequence.number_new_events()
    monkeypatch.setattr(claims, "SEND_WITHIN_SECONDS", -1)
    [parcel] = claims.claim({endpoint: 5}, fence=1, now=timezone.now())
    settling.settle([send(parcel)])
    event.refresh_from_db()
    assert receiver.received == []
    assert (event.attempts, event.status, event.leased_until) == (0, "pending", None)


def test_redelivered_while_it_is_being_sent_it_is_sent_again(api, endpoint, receiver, happen, deliver):

    event = happen()
    sequence.number_new_events()
    [parcel] = claims.claim({endpoint: 5}, fence=1, now=timezone.now())
    assert api.create(f"/events/{event.pk}/redeliver").status_code == 200
    settling.settle([send(parcel)])
    event.refresh_from_db()
    assert (event.status, event.attempts) == ("pending", 1)
    deliver()
    event.refresh_from_db()
    assert (event.status, event.attempts, len(receiver.received)) == ("delivered", 2, 2)
