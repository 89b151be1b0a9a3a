"""Attacks on the way back from the portal: RFC 6749 10, RFC 6819 4.4, RFC 9700 4."""

import time_machine
from django.test import Client
from django.utils import timezone

from patientflows.models import Attempt
from portals.models import Connection
from tests.portals.portal_double import Answer, PortalDouble
from tests.security.conftest import GRANTED, come_back, left, listed


def test_a_state_is_spent_once_and_its_code_sent_once(portal, open_flow):
    browser = Client()
    state = left(browser, open_flow(connection_id=portal.source.pk))
    first = come_back(browser, portal.registration.pk, state=state, code="c-1")
    again = come_back(browser, portal.registration.pk, state=state, code="c-2")
    assert first["Location"] == again["Location"]
    assert len(portal.to("/token")) == 1
    assert Connection.objects.count() == 1


def test_a_stolen_code_with_another_flows_state_is_bound_to_the_other_verifier(portal, open_flow):
    """Code injection (RFC 9700 4.5): PKCE binds the code to the attempt that left, so the portal refuses it."""
    victim, attacker = Client(), Client()
    left(victim, open_flow(connection_id=portal.source.pk))
    state = left(attacker, open_flow(patient_id="attacker", connection_id=portal.source.pk))
    come_back(attacker, portal.registration.pk, state=state, code="the victim's code")
    challenges = {request.form["code_verifier"] for request in portal.to("/token")}
    asked = [attempt.verifier for attempt in Attempt.objects.filter(flow__patient__patient_id="p-1")]
    assert challenges.isdisjoint(asked)


def test_an_unknown_state_contacts_no_portal(portal, open_flow):
    browser = Client()
    left(browser, open_flow(connection_id=portal.source.pk))
    for state in ("", "made up", "a" * 5000, "\x00", "' OR 1=1 --"):
        answer = come_back(browser, portal.registration.pk, state=state, code="c")
        assert answer.status_code == 400
    assert portal.to("/token") == []


def test_a_state_older_than_an_hour_is_not_honoured(portal, open_flow):
    browser = Client()
    state = left(browser, open_flow(connection_id=portal.source.pk))
    with time_machine.travel(timezone.now() + timezone.timedelta(minutes=61)):
        come_back(browser, portal.registration.pk, state=state, code="c-1")
    assert portal.to("/token") == []
    assert not Connection.objects.exists()


def test_a_state_given_twice_is_no_state(portal, open_flow):
    browser = Client()
    state = left(browser, open_flow(connection_id=portal.source.pk))
    answer = browser.get(f"/oauth/callback/{portal.registration.pk}?state={state}&state={state}&code=c")
    assert answer.status_code == 400
    assert portal.to("/token") == []


class TestMixUp:
    def test_a_state_that_comes_back_to_another_registration_is_unknown(self, portal, open_flow):
        """An honest portal's code must not be sent to a dishonest one's token endpoint (RFC 9700 4.4)."""
        with PortalDouble() as dishonest:
            _, other = listed(dishonest, name="Dishonest")
            browser = Client()
            state = left(browser, open_flow(connection_id=portal.source.pk))
            answer = come_back(browser, other.pk, state=state, code="c-1")
            assert answer.status_code == 400
            assert portal.to("/token") == dishonest.to("/token") == []

    def test_a_wrong_iss_ends_the_attempt_before_the_code_is_sent(self, portal, open_flow):
        portal.document |= {"issuer": f"{portal.url}/fhir", "authorization_response_iss_parameter_supported": True}
        browser = Client()
        state = left(browser, open_flow(connection_id=portal.source.pk))
        answer = come_back(browser, portal.registration.pk, state=state, code="c-1", iss="https://attacker.example")
        assert "error=issuer_mismatch" in answer["Location"]
        assert portal.to("/token") == []

    def test_the_token_endpoint_is_the_one_pinned_when_the_patient_left(self, portal, open_flow):
        browser = Client()
        state = left(browser, open_flow(connection_id=portal.source.pk))
        with PortalDouble() as attacker:
            portal.document |= {"token_endpoint": f"{attacker.url}/token"}
            portal.source.refresh_from_db()
            portal.source.distrust_configuration()
            come_back(browser, portal.registration.pk, state=state, code="c-1")
            assert attacker.requests == []
        assert len(portal.to("/token")) == 1


class TestAnotherBrowser:
    """Session fixation and login CSRF: whoever completes the login elsewhere attaches nothing here."""

    def test_a_callback_in_a_browser_that_did_not_leave_attaches_nothing(self, portal, open_flow):
        state = left(Client(), open_flow(connection_id=portal.source.pk))
        answer = come_back(Client(), portal.registration.pk, state=state, code="c-1")
        assert answer.status_code == 200
        assert not Connection.objects.exists()

    def test_a_planted_cookie_of_another_value_is_not_believed(self, portal, open_flow):
        state = left(Client(), open_flow(connection_id=portal.source.pk))
        victim = Client()
        victim.cookies["connect_browser"] = "planted"
        come_back(victim, portal.registration.pk, state=state, code="c-1")
        assert not Connection.objects.exists()

    def test_five_wrong_codes_end_it_and_the_grant_is_given_back(self, portal, open_flow):
        flow = open_flow(connection_id=portal.source.pk)
        starter = Client()
        state = left(starter, flow)
        come_back(Client(), portal.registration.pk, state=state, code="c-1")
        path = flow["url"].partition("/c/")[2]
        for _ in range(12):
            starter.post(f"/c/{path}/code", {"code": "AAAAAA"})
        attempt = Attempt.objects.get()
        assert (attempt.status, attempt.failure_code) == ("failed", "oauth_callback_failed")
        assert attempt.grant is None
        assert not Connection.objects.exists()

    def test_the_page_elsewhere_does_not_hold_the_link(self, portal, open_flow):
        flow = open_flow(connection_id=portal.source.pk)
        state = left(Client(), flow)
        answer = come_back(Client(), portal.registration.pk, state=state, code="c-1")
        assert flow["url"].partition("/c/")[2] not in answer.content.decode()

    def test_the_cookie_is_httponly_and_lax_and_host_bound_on_https(self, portal, open_flow, settings):
        browser = Client()
        browser.get("/c/" + open_flow(connection_id=portal.source.pk)["url"].partition("/c/")[2])
        cookie = browser.cookies["connect_browser"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        settings.HTTPS = True
        settings.SECURE_SSL_REDIRECT = False
        secure = Client()
        secure.get("/c/" + open_flow(connection_id=portal.source.pk)["url"].partition("/c/")[2])
        cookie = secure.cookies["__Host-connect_browser"]
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")


class TestOpenRedirect:
    def test_the_way_back_is_the_one_the_app_gave_whatever_the_request_says(self, portal, open_flow):
        browser = Client()
        state = left(browser, open_flow(connection_id=portal.source.pk))
        answer = come_back(
            browser, portal.registration.pk, state=state, code="c-1", next="https://evil.example",
            return_url="https://evil.example", redirect_uri="https://evil.example",
        )  # fmt: skip
        assert answer["Location"].startswith("https://app.example.org/back?x=1&")

    def test_only_absolute_web_addresses_are_taken(self, api):
        for url in (
            "javascript:alert(1)", "data:text/html,x", "//evil.example", "/relative", "https://", "file:///etc/passwd",
            "https://app.example.org\\@evil.example/", "https://user:pw@evil.example/", "https://a.example/\r\nX: y",
            "http:evil.example", "https://a.example/\x00",
        ):  # fmt: skip
            answer = api.create("/patient-flows", {"patient_id": "p", "return_url": url})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "return_url"), url

    def test_production_takes_https_only(self, production):
        answer = production.create("/patient-flows", {"patient_id": "p", "return_url": "http://app.example.org/"})
        assert answer.json()["error"]["param"] == "return_url"

    def test_an_error_from_the_portal_never_reaches_the_app_in_its_words(self, portal, open_flow):
        browser = Client()
        state = left(browser, open_flow(connection_id=portal.source.pk))
        answer = come_back(
            browser, portal.registration.pk, state=state, error="access_denied",
            error_description="<script>alert(1)</script>\r\nSet-Cookie: x=y", error_uri="https://evil.example",
        )  # fmt: skip
        assert "alert" not in answer["Location"]
        assert "evil" not in answer["Location"]
        assert "error=user_denied" in answer["Location"]


class TestForgedPosts:
    """CSRF: every form of the hosted pages and the admin refuses a post that another site made."""

    def test_a_post_without_the_token_changes_nothing(self, portal, open_flow, api):
        strict = Client(enforce_csrf_checks=True)
        flow = open_flow()
        token = flow["url"].partition("/c/")[2]
        for page in ("done", "code", "missing", "language", f"portal/{portal.source.pk}"):
            answer = strict.post(f"/c/{token}/{page}", {"confirm": "1"})
            assert answer.status_code == 403, page
        assert api.get(f"/patient-flows/{flow['id']}").json()["status"] == "open"
        assert not Attempt.objects.exists()

    def test_a_post_from_another_site_is_refused_though_it_holds_the_token(self, open_flow):
        strict = Client(enforce_csrf_checks=True)
        token = open_flow()["url"].partition("/c/")[2]
        strict.get(f"/c/{token}/missing")
        strict.cookies["csrftoken"] = "a" * 32
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
            answer = strict.post(f"/c/{token}/done", {"csrfmiddlewaretoken": "a" * 32}, headers=headers)
            assert answer.status_code == 403, headers

    def test_the_api_takes_no_cookie_for_a_key(self, client, admin_user):
        client.force_login(admin_user)
        assert client.get("/patients").status_code == 401


def test_a_portal_cannot_hand_over_another_patients_refresh(portal, open_flow):
    """A token answer without a patient is never guessed to be somebody's."""
    portal.on("/token", Answer(json={key: value for key, value in GRANTED.items() if key != "patient"}))
    browser = Client()
    state = left(browser, open_flow(connection_id=portal.source.pk))
    answer = come_back(browser, portal.registration.pk, state=state, code="c-1")
    assert "error=patient_missing" in answer["Location"]
    assert not Connection.objects.exists()
