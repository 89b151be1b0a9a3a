"""Cases 7.5: how a refresh and its failures are classed (the engine that acts on it has tests of its own)."""

from dataclasses import replace

import pytest

from connect import outbound
from portals.smart import tokens
from portals.smart.errors import (
    GrantRefused,
    GrantSuspect,
    OutcomeUncertain,
    PatientChanged,
    PortalMisconfigured,
    PortalUnavailable,
    ScopeRefused,
    SmartError,
)
from tests.portals.portal_double import HTML, HTML_502, Answer

GRANTED = {"access_token": "at-2", "token_type": "bearer", "expires_in": 570}


def refresh(portal, credentials, **kwargs):
    return tokens.refresh(token_endpoint=portal.token_endpoint, credentials=credentials, refresh_token="rt-1", **kwargs)


def failed(portal, credentials, *answers) -> SmartError:
    portal.on("/token", *answers)
    with pytest.raises(SmartError) as caught:
        refresh(portal, credentials)
    return caught.value


def test_ref_rotated_token_replaces(portal, confidential):
    portal.on("/token", Answer(json=GRANTED | {"refresh_token": "rt-2"}))
    assert refresh(portal, confidential).refresh_token == "rt-2"
    sent = portal.to("/token")[0]
    assert sent.form == {"grant_type": "refresh_token", "refresh_token": "rt-1"}
    assert sent.headers["authorization"].startswith("Basic ")


def test_ref_token_not_rotated(portal, confidential):
    portal.on("/token", Answer(json=GRANTED))
    assert refresh(portal, confidential).refresh_token is None


def test_ref_public_names_itself(portal, public):
    portal.on("/token", Answer(json=GRANTED))
    refresh(portal, public, scope="patient/Condition.rs")
    assert portal.to("/token")[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "rt-1",
        "client_id": "our-app",
        "scope": "patient/Condition.rs",
    }


@pytest.mark.parametrize("status", [400, 401, 403, 500, 200])
def test_ref_invalid_grant(portal, confidential, status):
    error = failed(portal, confidential, Answer(status, json={"error": "invalid_grant"}))
    assert isinstance(error, GrantRefused)
    assert error.failure_code == "refresh_rejected"


@pytest.mark.parametrize("code", ["invalid_request", "something_else"])
def test_ref_invalid_request_for_dead_rt(portal, confidential, code):
    error = failed(portal, confidential, Answer(400, json={"error": code}))
    assert isinstance(error, GrantSuspect)
    assert not isinstance(error, GrantRefused)
    assert error.failure_code == "refresh_rejected"


@pytest.mark.parametrize("status", [400, 401])
def test_ref_invalid_client_one_grant_and_all_grants(portal, confidential, status):
    """One answer cannot tell which it is: it is the portal's matter until the engine has compared grants."""
    error = failed(portal, confidential, Answer(status, json={"error": "invalid_client"}))
    assert isinstance(error, PortalMisconfigured)
    assert error.reason == "invalid_client"


def test_ref_invalid_scope(portal, confidential):
    error = failed(portal, confidential, Answer(400, json={"error": "invalid_scope"}))
    assert isinstance(error, ScopeRefused)
    assert error.failure_code == "invalid_scope"


@pytest.mark.parametrize("status", [400, 503])
def test_ref_503_temporarily_unavailable(portal, confidential, status):
    error = failed(portal, confidential, Answer(status, json={"error": "temporarily_unavailable"}))
    assert isinstance(error, PortalUnavailable)


def test_ref_429_retry_after_seconds(portal, confidential):
    error = failed(portal, confidential, Answer(429, headers={"Retry-After": "120"}))
    assert isinstance(error, PortalUnavailable)
    assert error.retry_after_seconds == 120


def test_ref_429_retry_after_http_date(portal, confidential, time_machine):
    time_machine.move_to("2026-04-25T14:30:00Z", tick=False)
    error = failed(portal, confidential, Answer(503, headers={"Retry-After": "Sat, 25 Apr 2026 14:31:00 GMT"}))
    assert error.retry_after_seconds == 60


@pytest.mark.parametrize("answer", [HTML_502, HTML, Answer(404, body=b"<html>"), Answer(408), Answer(500)])
def test_ref_html_502(portal, confidential, answer):
    assert isinstance(failed(portal, confidential, answer), PortalUnavailable)


def test_ref_connection_refused(portal, confidential):
    portal.__exit__()
    assert isinstance(failed(portal, confidential, Answer()), PortalUnavailable)


def test_ref_tls_error(portal, confidential):
    portal.token_endpoint = portal.token_endpoint.replace("http://", "https://")
    error = failed(portal, confidential, Answer())
    assert isinstance(error, PortalMisconfigured)
    assert error.reason == "tls"
    assert portal.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(reset=True),
        Answer(hang_up=True),
        Answer(silent=True),
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
        Answer(raw=b"nonsense\r\n\r\n"),
        Answer(body=b"x" * 1_000_000),
    ],
    ids=["reset", "hang-up", "silent", "half", "nonsense", "huge"],
)
def test_ref_reset_after_send(portal, confidential, monkeypatch, answer):
    monkeypatch.setattr(outbound, "PORTAL_TOKEN", replace(outbound.PORTAL_TOKEN, read_seconds=0.1, total_seconds=0.3))
    assert isinstance(failed(portal, confidential, answer), OutcomeUncertain)
    assert len(portal.to("/token")) == 1


def test_ref_scope_narrowed(portal, confidential):
    portal.on("/token", Answer(json=GRANTED | {"scope": "patient/Condition.rs"}))
    answer = refresh(portal, confidential)
    assert answer.scopes_missing("patient/Condition.rs patient/Goal.rs") == ("patient/Goal.rs",)


def test_ref_patient_changed(portal, confidential):
    portal.on("/token", Answer(json=GRANTED | {"patient": "somebody-else"}))
    answer = refresh(portal, confidential)
    with pytest.raises(PatientChanged):
        answer.require_same_patient("pat-1")
    answer.require_same_patient("somebody-else")


def test_ref_patient_not_repeated_is_the_same(portal, confidential):
    portal.on("/token", Answer(json=GRANTED))
    refresh(portal, confidential).require_same_patient("pat-1")


def test_ref_a_kept_connection_is_reused_within_a_burst(portal, confidential):
    portal.on("/token", Answer(json=GRANTED))
    for _ in range(5):
        refresh(portal, confidential)
    assert portal.connections == 1
