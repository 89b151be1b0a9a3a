"""A patient with a browser who says yes at a sandbox portal over HTTP; what the portal grants, as the app gets it."""

import base64
import hashlib
import re
import secrets
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from portals.smart.tokens import TokenResponse

CLIENT_ID, CLIENT_SECRET = "connect-sandbox", "connect-sandbox-secret"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
CALLBACK = "http://127.0.0.1:9999/oauth/callback/test"


def say_yes(
    base: str, *, username: str = "patient", patient: str = "", scope: str = SCOPE
) -> tuple[TokenResponse, dict]:
    """Log in and allow; the tokens, and the configuration that discovery gave."""
    configuration = requests.get(f"{base}/.well-known/smart-configuration", timeout=30).json()
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": CALLBACK, "scope": scope, "state": "s",
        "aud": base, "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    browser = requests.Session()
    login = _next(browser.get(configuration["authorization_endpoint"], params=asked, allow_redirects=False))
    consent = _next(_post(browser, login, {"username": username, "password": "demo"}))
    page = browser.get(consent, timeout=30).text
    form = {
        "decision": "allow",
        "patient": patient or re.findall(r'name="patient" value="([^"]+)"', page)[0],
        "scope": re.findall(r'name="scope" value="([^"]+)"', page),
    }
    code = parse_qs(urlsplit(_next(_post(browser, consent, form))).query)["code"][0]
    answer = requests.post(
        configuration["token_endpoint"], auth=(CLIENT_ID, CLIENT_SECRET), timeout=30,
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier},
    ).json()  # fmt: skip
    return TokenResponse(
        answer["access_token"], answer["expires_in"], answer["scope"], answer.get("refresh_token"),
        patient=answer["patient"],
    ), configuration  # fmt: skip


def _post(browser: requests.Session, url: str, form: dict) -> requests.Response:
    """Send a page's form as a browser does, its anti-forgery token included."""
    browser.get(url, timeout=30)
    form = form | {"csrfmiddlewaretoken": browser.cookies.get("csrftoken", "")}
    return browser.post(url, data=form, allow_redirects=False, timeout=30)


def _next(answer: requests.Response) -> str:
    assert answer.status_code == 302, (answer.status_code, answer.text[:500])
    return urljoin(answer.url, answer.headers["Location"])
