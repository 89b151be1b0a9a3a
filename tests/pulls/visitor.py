"""A patient with a browser who says yes at a sandbox portal over HTTP; what the portal grants, as the app gets it."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from portals.smart.assertions import ClientCredentials, authenticate
from portals.smart.discovery import discover
from portals.smart.keys import KeyPair, new_key_pair
from portals.smart.tokens import TokenResponse

CLIENT_ID, CLIENT_SECRET = "connect-sandbox", "connect-sandbox-secret"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"
V1_SCOPE = "launch/patient offline_access patient/*.read"
CALLBACK = "http://127.0.0.1:9999/oauth/callback/test"


@dataclass
class App:
    """Who asks: by secret wherever that is taken, else by a key registered for it."""

    configuration: dict
    credentials: ClientCredentials = field(init=False)

    def __post_init__(self):
        methods = self.configuration["token_endpoint_auth_methods_supported"]
        self.credentials = ClientCredentials(CLIENT_ID, "client_secret_basic", CLIENT_SECRET)
        if methods and "client_secret_basic" not in methods:
            self.credentials = ClientCredentials(self._register(), "private_key_jwt", signing_key=signing_key())

    def _register(self) -> str:
        metadata = {
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [signing_key().public_jwk]},
        }  # fmt: skip
        answer = requests.post(self.configuration["registration_endpoint"], json=metadata, timeout=30)
        return answer.json()["client_id"]

    def exchange(self, code: str, verifier: str) -> dict:
        endpoint = self.configuration["token_endpoint"]
        proof = authenticate(self.credentials, token_endpoint=endpoint)
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier,
        }  # fmt: skip
        answer = requests.post(endpoint, headers=proof.headers, timeout=30, data=form | proof.fields)
        assert answer.status_code == 200, answer.text
        return answer.json()


@cache
def signing_key() -> KeyPair:
    return new_key_pair("ES384")


def say_yes(base: str, *, username: str = "patient", patient: str = "", scope: str = "") -> tuple[TokenResponse, dict]:
    """Log in and allow; the tokens, and the configuration that discovery gave."""
    found = discover(base)
    configuration = json.loads(json.dumps(found.to_dict()))
    app = App(configuration)
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    is_legacy = found.found_in != "smart-configuration"
    asked = {
        "response_type": "code", "client_id": app.credentials.client_id, "redirect_uri": CALLBACK,
        "scope": scope or (V1_SCOPE if is_legacy else SCOPE), "state": "s", "aud": base, "nonce": "n",
        "code_challenge": challenge, "code_challenge_method": "S256",
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
    answer = app.exchange(code, verifier)
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
