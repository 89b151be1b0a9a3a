"""The authorisation page: what is checked, what the patient can decide, and what goes back to the app."""

import re

import pytest

from tests.portals.sandbox.visitor import CALLBACK, App


def test_a_patient_who_allows_goes_back_with_code_state_and_issuer(app):
    plain = app()
    answer = plain.decide(plain.log_in())
    assert set(answer) == {"code", "state", "iss"}
    assert answer["state"] == "state-1"
    assert answer["iss"] == plain.fhir
    assert plain.callback.startswith(f"{CALLBACK}?")


def test_a_patient_who_denies_goes_back_with_access_denied(app):
    plain = app()
    answer = plain.decide(plain.log_in(), decision="deny")
    assert answer["error"] == "access_denied"
    assert answer["state"] == "state-1"
    assert "code" not in answer


def test_the_question_is_answered_once(app):
    plain = app()
    page = plain.log_in()
    plain.decide(page)
    again = plain.http.post(plain.consent_url, {"decision": "allow", "patient": "anyone"})
    assert again.status_code == 410


def test_a_wrong_password_stays_on_the_login_page(app):
    plain = app()
    login = plain.authorize()["Location"]
    answer = plain.http.post(login, {"username": "patient", "password": "guess"})
    assert answer.status_code == 200
    assert "do not fit" in answer.content.decode()


def test_the_consent_page_cannot_be_reached_without_logging_in(app):
    plain = app()
    login = plain.authorize()["Location"]
    answer = plain.http.get(login.replace("/login/", "/consent/"))
    assert answer.status_code == 302
    assert answer["Location"] == login


@pytest.mark.parametrize("method", [None, "plain"])
def test_pkce_with_s256_is_required(app, method):
    answer = app().authorize(code_challenge_method=method)
    assert answer["Location"].startswith(CALLBACK)
    assert "error=invalid_request" in answer["Location"]
    assert "state=state-1" in answer["Location"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "https://elsewhere.example/fhir"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "user/*.read"}, "invalid_scope"),
        ({"scope": "patient/Observation.cud"}, "invalid_scope"),
    ],
)
def test_a_faulty_request_goes_back_with_its_error(app, changed, error):
    answer = app().authorize(**changed)
    assert answer.status_code == 302
    assert f"error={error}" in answer["Location"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://attacker.example/oauth/callback",
        "http://127.0.0.1:9999/elsewhere",
        "http://127.0.0.1:9999/oauth/callback/../elsewhere",
        "http://127.0.0.1:9999/oauth/callback?next=elsewhere",
        "http://user@127.0.0.1/oauth/callback",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_unregistered_redirect_uri_goes_nowhere(app, uri):
    answer = app().authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert "Location" not in answer


@pytest.mark.parametrize("uri", ["http://testserver/oauth/callback", "http://localhost:5/oauth/callback/fhirsrc_a1"])
def test_callbacks_of_this_host_and_of_loopback_hosts_are_registered(app, uri):
    assert app(redirect_uri=uri).authorize().status_code == 302


def test_an_unknown_client_goes_nowhere(app):
    assert app(client_id="nobody").authorize().status_code == 400


def test_a_parameter_that_comes_twice_is_refused(app):
    plain = app()
    answer = plain.http.get(f"{plain.base}/authorize", plain.request() | {"state": ["one", "two"]})
    assert "error=invalid_request" in answer["Location"]


def test_the_request_may_be_a_form(app):
    plain = app()
    assert plain.http.post(f"{plain.base}/authorize", plain.request()).status_code == 302


def test_a_parent_chooses_whose_record_it_is(app):
    plain = app()
    page = plain.log_in("parent")
    for name in ("Marisol", "Agustín José", "Zoë"):
        assert name in page.content.decode()
    code = plain.decide(page, patient="rivera-zoe")["code"]
    assert plain.exchange(code).json()["patient"] == "rivera-zoe"


def test_a_patient_cannot_share_a_record_that_is_not_theirs(app):
    plain = app()
    answer = plain.decide(plain.log_in("parent"), patient="doe-john")
    assert answer["error"] == "access_denied"


def test_the_consent_page_says_scopes_in_plain_words(app):
    page = app().log_in(scope="launch/patient openid offline_access patient/Observation.rs patient/Condition.read")
    text = page.content.decode()
    for words in (
        "Test results and measurements",
        "Health problems and diagnoses",
        "Keep access when you are not here",
    ):
        assert words in text
    assert "Allergies" not in text


def test_what_the_patient_unticks_is_not_granted(app):
    plain = app()
    page = plain.log_in(scope="launch/patient offline_access patient/Observation.rs patient/Condition.rs")
    code = plain.decide(page, without=("patient/Condition.rs", "offline_access"))["code"]
    tokens = plain.exchange(code).json()
    assert tokens["scope"] == "launch/patient patient/Observation.rs"
    assert "refresh_token" not in tokens


def test_a_wildcard_is_kept_when_nothing_is_unticked(connected):
    assert "patient/*.rs" in connected().tokens["scope"].split()


def test_a_wildcard_is_written_out_when_a_type_is_unticked(connected):
    scopes = connected(without=("patient/CarePlan.rs",)).tokens["scope"].split()
    assert "patient/*.rs" not in scopes
    assert "patient/CarePlan.rs" not in scopes
    assert "patient/Observation.rs" in scopes


def test_unknown_scopes_are_dropped(connected):
    assert (
        connected(scope="launch/patient patient/*.rs system/*.rs what").tokens["scope"] == "launch/patient patient/*.rs"
    )


def test_pages_have_no_inline_script_or_style(app):
    plain = app()
    pages = [plain.http.get(plain.authorize()["Location"]), plain.log_in("parent"), plain.http.get("/sandbox/")]
    for page in pages:
        assert not re.search(r"<script(?![^>]*src)|<style|\sstyle=|\son[a-z]+=", page.content.decode())


def managed(app, username: str) -> tuple[str, str]:
    """What the page of apps with access gives a patient: proof of who they are, and their newest grant."""
    page = app.http.post(f"{app.base}/manage", {"username": username, "password": "demo"}).content.decode()
    return re.search(r'name="proof" value="([^"]+)"', page)[1], re.search(r'name="end" value="([^"]+)"', page)[1]


def test_the_patient_ends_an_apps_access_at_the_portal(connected):
    plain = connected()
    proof, grant = managed(plain, "patient")
    plain.http.post(f"{plain.base}/manage", {"proof": proof, "end": grant})
    assert plain.get(f"Patient/{plain.patient}").status_code == 401
    assert plain.refresh().json()["error"] == "invalid_grant"


def test_nobody_ends_another_patients_grant(connected):
    plain, other = connected(), App().connect("doe-john")
    proof, _ = managed(plain, "patient")
    _, others_grant = managed(plain, "doe-john")
    plain.http.post(f"{plain.base}/manage", {"proof": proof, "end": others_grant})
    assert other.get("Patient/doe-john").status_code == 200
