"""Cases 7.5 on rows and events: what a portal's answer to a refresh does to the connection."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from portals import sweep, timing
from portals.models import Circuit, Connection, Source
from portals.refresh import refresh_connection
from portals.smart.errors import SmartError
from tests.portals.engine.world import GRANTED, later, make_due, now_of
from tests.portals.portal_double import HTML_502, Answer

Status, Refresh = Connection.Status, Connection.Refresh
FAILED = "connection.token_refresh_failed"
INVALID_GRANT = {"error": "invalid_grant"}


def refresh(connection) -> Connection:
    """One due refresh, whatever comes of it; the row afterwards."""
    make_due(connection)
    with suppress(SmartError):
        refresh_connection(connection.pk)
    return now_of(connection)


def is_over(row, reason: str) -> bool:
    tokens = (row.access_token, row.refresh_token, row.previous_refresh_token)
    return (
        row.status == Status.REFRESH_FAILED
        and row.failure_code == "refresh_rejected"
        and row.refresh_error == reason
        and tokens == (None, None, None)
        and row.refresh_due_at is None
        and row.next_pull_at is None
        and row.failure_at is not None
    )


def is_healthy(row) -> bool:
    return row.status == Status.ACTIVE and row.refresh_token is not None and row.leased_until is None


def test_ref_rotated_token_replaces(world):
    connection = world.due()
    world.answers({"refresh_token": "rt-2"}, {"access_token": "at-3", "refresh_token": "rt-3"})
    row = refresh(connection)
    assert (row.access_token, row.refresh_token, row.previous_refresh_token) == ("at-2", "rt-2", "rt-1")
    assert row.token_version == connection.token_version + 1
    assert (row.refresh_state, row.leased_until, row.refresh_failures) == (Refresh.IDLE, None, 0)
    assert later(row.access_expires_at, 3500)
    row = refresh(connection)
    assert (row.refresh_token, row.previous_refresh_token) == ("rt-3", "rt-2")
    assert world.asked == ["rt-1", "rt-2"]
    assert world.events() == []


def test_ref_token_not_rotated(world):
    connection = world.due()
    world.answers({"refresh_token": "rt-2"}, {}, {})
    refresh(connection)
    row = refresh(connection)
    assert (row.refresh_token, row.previous_refresh_token) == ("rt-2", None)
    refresh(connection)
    assert world.asked == ["rt-1", "rt-2", "rt-2"]


def test_ref_the_same_token_said_again_is_not_a_rotation(world):
    world.answers({"refresh_token": "rt-1"})
    assert refresh(world.due()).previous_refresh_token is None


@pytest.mark.parametrize("status", [400, 401, 403], ids=["ref-invalid-grant-400", "-401", "-403"])
def test_ref_invalid_grant_400_401_403(world, status):
    connection = world.due()
    world.answers(Answer(status, json=INVALID_GRANT))
    assert is_over(refresh(connection), "invalid_grant")
    refresh(connection)
    assert world.asked == ["rt-1"]
    (event,) = world.events()
    assert event.type == FAILED
    assert event.data["object"]["status"] == "refresh_failed"
    assert event.data["object"]["failure_code"] == "refresh_rejected"
    assert event.data["object"]["patient_id"] == connection.patient.patient_id
    assert world.audited("connection.refresh_failed") == 1


def test_ref_invalid_request_for_dead_rt(world):
    connection = world.due()
    world.answers(Answer(400, json={"error": "invalid_request"}))
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_strikes == 1
    assert later(row.refresh_due_at, 25)
    assert is_over(refresh(connection), "invalid_request")
    assert len(world.events(FAILED)) == 1
    assert world.asked == ["rt-1", "rt-1"]


def test_ref_strikes_are_forgotten_by_a_success(world):
    refused = Answer(400, json={"error": "invalid_request"})
    connection = world.due()
    world.answers(refused, {}, refused)
    for _ in range(3):
        row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_strikes == 1


def test_ref_invalid_client_one_grant(world):
    """athenahealth says invalid_client of a refresh token it does not know: while others are renewed, it is the grant."""
    one, others = world.due(refresh_token="rt-dead"), world.due(refresh_token="rt-good")
    world.portal.on("/token", lambda request: Answer(401, json={"error": "invalid_client"})
                    if request.form["refresh_token"] == "rt-dead" else Answer(json=GRANTED))  # fmt: skip
    for _ in range(2):
        assert is_healthy(refresh(one))
        assert is_healthy(refresh(others))
    assert is_over(refresh(one), "invalid_client")
    assert is_healthy(now_of(others))
    assert Source.objects.get().paused_until is None
    assert len(world.events(FAILED)) == 1


def test_ref_invalid_client_repeated_with_nobody_else_to_compare_ends_nothing(world):
    connection = world.due()
    world.answers(Answer(401, json={"error": "invalid_client"}))
    for _ in range(6):
        assert is_healthy(refresh(connection))
    assert world.events() == []


def test_ref_invalid_client_all_grants(world):
    first, second, third = world.due(), world.due(), world.due()
    world.answers(Answer(401, json={"error": "invalid_client"}))
    refresh(first)
    assert not Source.objects.get().is_paused
    refresh(second)
    source = Source.objects.get()
    assert source.is_paused
    assert source.status == Source.Status.UNAVAILABLE
    assert world.audited("portal.paused") == 1
    row = refresh(third)
    assert len(world.asked) == 2
    assert row.refresh_due_at == source.paused_until
    assert all(is_healthy(now_of(each)) for each in (first, second, third))
    assert world.events() == []


def test_ref_invalid_client_of_an_organisations_own_app_leaves_the_others_patients_alone(world, organization):
    source = world.source()
    ours = world.registration(source)
    own = world.registration(source, organization=organization, client_id="their-own")
    first, second, third = (world.due(registration=own) for _ in range(3))
    world.answers(Answer(401, json={"error": "invalid_client"}))
    refresh(first)
    refresh(second)
    assert not Source.objects.get().is_paused
    refresh(third)
    assert len(world.asked) == 2
    world.answers({})
    assert refresh(world.due(registration=ours)).access_token == "at-2"
    assert world.audited("registration.paused") == 1


@pytest.mark.parametrize("status", [503, 400], ids=["status", "error-only"])
def test_ref_503_temporarily_unavailable(world, status):
    connection = world.due()
    world.answers(Answer(status, json={"error": "temporarily_unavailable"}), {})
    row = refresh(connection)
    assert is_healthy(row)
    assert (row.refresh_failures, row.refresh_state) == (1, Refresh.IDLE)
    assert later(row.refresh_due_at, 14)
    row = refresh(connection)
    assert (row.access_token, row.refresh_failures, row.refresh_error) == ("at-2", 0, "")


@pytest.mark.parametrize("asked", ["120", "date"], ids=["ref-429-retry-after-seconds", "ref-429-retry-after-http-date"])
def test_ref_429_retry_after_seconds_and_http_date(world, asked, time_machine):
    time_machine.move_to("2026-04-25T14:30:00Z", tick=False)
    connection, sibling = world.due(), world.due()
    elsewhere = world.due(world.source("Elsewhere"), refresh_token="rt-elsewhere")
    header = asked if asked == "120" else "Sat, 25 Apr 2026 14:32:00 GMT"
    world.answers(Answer(429, headers={"Retry-After": header}), {})
    row = refresh(connection)
    assert later(row.refresh_due_at, 120)
    assert later(refresh(sibling).refresh_due_at, 120)
    assert world.asked == ["rt-1"]
    assert refresh(elsewhere).access_token == "at-2"
    time_machine.move_to("2026-04-25T14:32:01Z", tick=False)
    assert refresh(sibling).access_token == "at-2"
    assert refresh(connection).access_token == "at-2"


def test_ref_html_502(world):
    connection = world.due()
    world.answers(HTML_502)
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_error == "http_502"


def test_ref_connection_refused(world):
    connection = world.due()
    world.portal.__exit__()
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_state == Refresh.IDLE


def test_ref_tls_error(world):
    """Transient for the grant, and a matter for operators: the circuit says why."""
    source = world.source()
    connection = world.due()
    connection.amend(configuration=connection.configuration | {
        "token_endpoint": f"{world.portal.url}/token".replace("http:", "https:")})  # fmt: skip
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_error == "tls"
    assert Circuit.objects.get(key=source.pk).reason == "tls"
    assert world.portal.requests == []


def test_ref_reset_after_send(world):
    connection = world.due()
    world.answers(Answer(reset=True), Answer(400, json=INVALID_GRANT))
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_state == Refresh.UNCERTAIN
    assert not later(row.refresh_due_at, 6)
    assert is_over(refresh(connection), "lost_response")
    assert world.asked == ["rt-1", "rt-1"]
    assert len(world.events(FAILED)) == 1


def test_ref_reset_after_send_within_the_portals_grace(world):
    connection = world.due()
    world.answers(Answer(reset=True), Answer(503), {"refresh_token": "rt-2"})
    refresh(connection)
    assert refresh(connection).refresh_state == Refresh.UNCERTAIN
    row = refresh(connection)
    assert (row.refresh_state, row.refresh_token) == (Refresh.IDLE, "rt-2")


@pytest.mark.parametrize("fault", [{"token_type": "DPoP"}, {"access_token": ""}])
def test_ref_a_success_that_is_none_may_have_rotated(world, fault):
    connection = world.due()
    world.answers(fault)
    row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_state == Refresh.UNCERTAIN


def test_ref_scope_narrowed(world):
    connection = world.due()
    world.answers({"scope": "patient/Condition.rs"}, {})
    row = refresh(connection)
    assert set(row.scopes) == {"launch/patient", "offline_access", "patient/Condition.rs"}
    assert row.scopes_missing == ["patient/Goal.rs"]
    assert refresh(connection).scopes_missing == ["patient/Goal.rs"]


def test_ref_scope_given_back(world):
    connection = world.due()
    world.answers({"scope": "patient/Condition.rs"}, {"scope": "patient/*.read"})
    refresh(connection)
    row = refresh(connection)
    assert row.scopes_missing == []
    assert "patient/*.read" in row.scopes


def test_ref_patient_changed(world):
    connection = world.due()
    world.answers({"patient": "somebody-else", "refresh_token": "rt-theirs"})
    assert is_over(refresh(connection), "patient_changed")
    assert world.revocations() == {("refresh_token", "rt-theirs"), ("access_token", "at-2")}
    assert len(world.events(FAILED)) == 1


def test_ref_family_revoked(world):
    """Both the token that replaced the last one and the last one itself are refused: then it is over."""
    connection = world.due()
    world.answers({"refresh_token": "rt-2"}, Answer(400, json=INVALID_GRANT))
    refresh(connection)
    row = refresh(connection)
    assert is_healthy(row)
    assert (row.refresh_token, row.previous_refresh_token) == ("rt-1", None)
    assert is_over(refresh(connection), "invalid_grant")
    assert world.asked == ["rt-1", "rt-2", "rt-1"]
    assert len(world.events(FAILED)) == 1
    assert world.audited("connection.refresh_failed") == 1


def test_ref_a_rotation_that_the_portal_lost_is_survived(world):
    connection = world.due()
    world.answers({"refresh_token": "rt-lost"}, Answer(400, json=INVALID_GRANT), {"refresh_token": "rt-3"})
    for _ in range(3):
        row = refresh(connection)
    assert is_healthy(row)
    assert row.refresh_token == "rt-3"
    assert world.events() == []


def test_ref_proactive_jitter(world):
    """5,000 grants of one second are not refreshed in one second, and never after they have lapsed."""
    now = timezone.now()
    dues = [timing.refresh_due_at(now, 3600) for _ in range(5000)]
    seconds = [int((due - now).total_seconds()) for due in dues]
    assert max(seconds.count(second) for second in set(seconds)) < 60
    assert all(3600 - 720 <= second <= 3600 - 359 for second in seconds)


def test_ref_a_budget_of_token_requests_is_kept(world, time_machine):
    """athenahealth takes 50 token requests a minute."""
    time_machine.move_to("2026-04-25T14:30:00Z", tick=False)
    source = world.source(overrides={"token_requests_per_minute": 6})
    rows = [world.due(source, refresh_token=f"rt-{n}") for n in range(4)]
    elsewhere = world.due(world.source("Elsewhere"), refresh_token="rt-elsewhere")
    world.answers({})
    sweep.refresh_due(round_seconds=2)
    assert now_of(elsewhere).access_token == "at-2"
    assert len(world.asked) == 2
    for minute in range(4):
        time_machine.shift(timedelta(seconds=11))
        make_due(*(row for row in rows if now_of(row).access_token == "at-1"))
        sweep.refresh_due(round_seconds=2)
        assert len(world.asked) == min(3 + minute, 5)


@pytest.mark.parametrize(("expires_in", "at_least"), [(30 * 24 * 3600, 5), (None, 0.7)])
def test_ref_90_day_idle(world, expires_in, at_least):
    """An idle grant is used at least weekly, whatever its access token's life."""
    due = world.connect(expires_in=expires_in).refresh_due_at
    assert timedelta(days=at_least) <= due - timezone.now() <= timedelta(days=7)


@pytest.mark.parametrize("expires_in", [0, 5, 60])
def test_ref_a_token_that_hardly_lives_is_not_refreshed_all_the_time(world, expires_in):
    assert later(world.connect(expires_in=expires_in).refresh_due_at, 29)


def test_ref_13_month_expiry(world, time_machine):
    ends_at = timezone.now() + timedelta(days=390)
    connection = world.connect(grant_ends_at=ends_at)
    assert connection.access_ends_at == ends_at
    sweep.end_due()
    assert world.events() == []
    time_machine.move_to(ends_at - timedelta(days=6, hours=23), tick=False)
    sweep.end_due()
    sweep.end_due()
    (event,) = world.events()
    assert event.type == "connection.expiring"
    assert event.data["object"]["access_ends_at"] is not None
    time_machine.move_to(ends_at + timedelta(seconds=1), tick=False)
    sweep.end_due()
    sweep.end_due()
    row = now_of(connection)
    assert (row.status, row.failure_code, row.refresh_token) == (Status.EXPIRED, "access_lapsed", None)
    assert [event.type for event in world.events()] == ["connection.expiring", "connection.expired"]


def test_ref_a_refresh_that_prolongs_consent_announces_its_new_end_again(world, time_machine):
    start = timezone.now()
    connection = world.connect(grant_ends_at=start + timedelta(days=8))
    time_machine.move_to(start + timedelta(days=2), tick=False)
    sweep.end_due()
    world.answers({"access_grant_expiration": (start + timedelta(days=100)).isoformat()})
    refresh(connection)
    time_machine.move_to(start + timedelta(days=94), tick=False)
    sweep.end_due()
    assert [event.type for event in world.events()] == ["connection.expiring"] * 2
