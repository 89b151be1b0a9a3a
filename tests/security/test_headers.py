"""Security headers, graded: a page's grade is what it lacks of what OWASP's cheat sheet asks of it."""

import pytest
from django.test import Client

from connect.organizations.models import Environment
from patientflows.models import PatientLink
from patientflows.personal_links import ensure_link
from tests.factories import ApiClient, make_key
from tests.world import make_world


@pytest.fixture
def https(settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True


@pytest.fixture
def places(api, organization, https) -> dict[str, tuple[Client, str]]:
    """One address of every kind, and who asks for it."""
    world = make_world(organization)
    flow = api.post(
        "/patient-flows", {"patient_id": "p-2", "return_url": "https://app.example.org/"},
        content_type="application/json", secure=True,
    ).json()  # fmt: skip
    ensure_link(patient=world.patient)
    link = PatientLink.objects.get()
    browser = Client()
    return {
        "hosted page": (browser, "/c/" + flow["url"].partition("/c/")[2]),
        "hosted search": (browser, "/c/" + flow["url"].partition("/c/")[2] + "/search?q=mercy"),
        "personal page": (browser, f"/my/{link.token}"),
        "callback": (browser, "/oauth/callback/nobody?state=x&code=y"),
        "sign-in": (browser, "/admin/login/"),
        "error page": (browser, "/docs/errors/throttled"),
        "error index": (browser, "/docs/errors/"),
        "API answer": (api, f"/patients/{world.patient.patient_id}"),
        "records": (api, f"/patients/{world.patient.patient_id}/records"),
        "records file": (api, f"/patients/{world.patient.patient_id}/records/$export"),
        "API refusal": (ApiClient("mb_sk_sbx_nobody"), "/patients"),
        "no such path": (browser, "/nothing/here"),
    }


def lacking(answer, *, holds_data: bool, is_admin: bool) -> set[str]:
    """What a careful reviewer would miss on this answer."""
    csp = {part.split()[0]: part.split()[1:] for part in answer["Content-Security-Policy"].split(";") if part.split()}
    wanted = {
        "nosniff": answer["X-Content-Type-Options"] == "nosniff",
        "not framed": answer["X-Frame-Options"] == "DENY" and csp.get("frame-ancestors") == ["'none'"],
        "HSTS": answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload",
        "no referrer": answer["Referrer-Policy"] == ("same-origin" if is_admin else "no-referrer"),
        "opener": answer["Cross-Origin-Opener-Policy"] == "same-origin",
        "resource policy": answer["Cross-Origin-Resource-Policy"] == "same-origin",
        "permissions": "geolocation=()" in answer["Permissions-Policy"],
        "default none": csp.get("default-src") == ["'none'"],
        "base": csp.get("base-uri") == ["'none'"],
        "own scripts": csp.get("script-src") == ["'self'"] or is_admin,
        "own styles": csp.get("style-src") == ["'self'"] or is_admin,
        "no inline script": "'unsafe-inline'" not in csp.get("script-src", []),
        "not kept": "no-store" in answer.get("Cache-Control", "") or not holds_data,
        "no server name": "Server" not in answer.headers and "X-Powered-By" not in answer.headers,
        "no reading by other sites": "Access-Control-Allow-Origin" not in answer.headers,
        "request id": len(answer["X-Request-Id"]) == 36,
    }  # fmt: skip
    return {name for name, is_there in wanted.items() if not is_there}


KINDS = [
    "hosted page", "hosted search", "personal page", "callback", "sign-in", "error page", "error index", "API answer",
    "records", "records file", "API refusal", "no such path",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_lacks_nothing(kind, places):
    client, path = places[kind]
    answer = client.get(path, secure=True)
    assert answer.status_code != 500
    holds_data = kind not in ("error page", "error index", "no such path")
    assert lacking(answer, holds_data=holds_data, is_admin=kind == "sign-in") == set()


def test_plain_http_is_sent_to_https(client, https):
    answer = client.get("/admin/login/")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/admin/login/")


def test_another_host_name_is_refused(client):
    client.raise_request_exception = False
    assert client.get("/admin/login/", headers={"host": "evil.example"}).status_code == 400


PASSWORD = "correct horse battery staple"


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_superuser("ada", "a@example.org", PASSWORD)


def sign_in(client, password: str = PASSWORD, path: str = "/admin/login/", **more):
    return client.post(path, {"username": "ada", "password": password, **more})


def test_cookies_of_staff_are_closed_to_scripts_and_other_sites(client, ada):
    sign_in(client)
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax"), cookie.key


def test_signing_in_takes_a_new_session(client, ada):
    """Session fixation (OWASP ASVS 3.2.1): what was planted before signing in is worth nothing after."""
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["sessionid"] = session.session_key
    sign_in(client)
    assert client.cookies["sessionid"].value != session.session_key


def test_ten_wrong_passwords_lock_the_account_at_that_address(client, ada):
    for _ in range(10):
        sign_in(client, "wrong")
    assert sign_in(client).status_code == 429
    assert "_auth_user_id" not in client.session


def test_the_sign_in_does_not_redirect_elsewhere(client, ada):
    answer = sign_in(client, path="/admin/login/?next=https://evil.example/", next="https://evil.example/")
    assert "evil" not in answer["Location"]


def test_a_key_of_one_environment_opens_the_other_nowhere(organization):
    live = make_key(organization, Environment.PRODUCTION)
    assert live.startswith("mb_sk_live_")
    assert ApiClient(live.replace("live", "sbx")).get("/patients").status_code == 401
