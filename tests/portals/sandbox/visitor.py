"""A patient with a browser and an app with a token, going through the sandbox by HTTP and nothing else."""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from django.test import Client

CALLBACK = "http://127.0.0.1:9999/oauth/callback/test"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return verifier, challenge


@dataclass
class App:
    """A client of one variant. Each method is one thing an app or its patient does."""

    variant: str = "plain"
    client_id: str = "connect-sandbox"
    secret: str = "connect-sandbox-secret"
    redirect_uri: str = CALLBACK

    def __post_init__(self):
        self.http = Client()
        self.verifier, self.challenge = pkce()
        self.tokens: dict = {}

    @property
    def base(self) -> str:
        return f"http://testserver/sandbox/{self.variant}"

    @property
    def fhir(self) -> str:
        return f"{self.base}/fhir"

    def request(self, scope: str = SCOPE, **changed) -> dict:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": "state-1",
            "aud": self.fhir,
            "nonce": "nonce-1",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changed
        return {name: value for name, value in asked.items() if value is not None}

    def authorize(self, scope: str = SCOPE, **changed):
        return self.http.get(f"{self.base}/authorize", self.request(scope, **changed))

    def log_in(self, username: str = "patient", scope: str = SCOPE, **changed):
        """The consent page."""
        answer = self.authorize(scope, **changed)
        assert answer.status_code == 302, answer.content
        answer = self.http.post(answer["Location"], {"username": username, "password": "demo"})
        assert answer.status_code == 302, answer.content
        self.consent_url = answer["Location"]
        return self.http.get(self.consent_url)

    def decide(self, page, decision: str = "allow", patient: str | None = None, without: tuple[str, ...] = ()) -> dict:
        """Press a button on the consent page, some scopes unticked; answers the callback's parameters."""
        ticked = re.findall(r'name="scope" value="([^"]+)"', page.content.decode())
        patients = re.findall(r'name="patient" value="([^"]+)"', page.content.decode())
        form = {
            "decision": decision,
            "patient": patient or patients[0],
            "scope": [scope for scope in ticked if scope not in without],
        }
        answer = self.http.post(self.consent_url, form)
        assert answer.status_code == 302, answer.content
        self.callback = answer["Location"]
        return dict(parse_qsl(urlsplit(self.callback).query))

    def code(self, username: str = "patient", scope: str = SCOPE, **decided) -> str:
        return self.decide(self.log_in(username, scope), **decided)["code"]

    def token(self, **form):
        form = {name: value for name, value in form.items() if value is not None}
        if self.secret:
            form |= {"client_secret": self.secret}
        return self.http.post(f"{self.base}/token", {"client_id": self.client_id} | form)

    def exchange(self, code: str, **changed):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.token(**form | changed)

    def connect(self, username: str = "patient", scope: str = SCOPE, **decided) -> "App":
        """The whole way to tokens."""
        answer = self.exchange(self.code(username, scope, **decided))
        assert answer.status_code == 200, answer.content
        self.tokens = answer.json()
        return self

    def refresh(self, **changed):
        """Ask for new tokens, and use them from then on if given."""
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]} | changed
        answer = self.token(**form)
        if answer.status_code == 200:
            self.tokens = self.tokens | answer.json()
        return answer

    def get(self, address: str, params: dict | None = None, *, token: str | None = None, **headers):
        url = address if address.startswith("http") else f"{self.fhir}/{address}"
        headers = {"Authorization": f"Bearer {token or self.tokens['access_token']}"} | headers
        return self.http.get(url, params or None, headers=headers)

    @property
    def patient(self) -> str:
        return self.tokens["patient"]

    def pages(self, address: str, params: dict | None = None, limit: int = 1000):
        """Every page of a search."""
        answer = self.get(address, params)
        for _ in range(limit):
            assert answer.status_code == 200, answer.content
            yield answer
            following = [link["url"] for link in answer.json()["link"] if link["relation"] == "next"]
            if not following:
                return
            answer = self.get(following[0])

    def ids(self, address: str, params: dict | None = None) -> list[str]:
        """Ids of the matches of a search, all pages."""
        return [
            entry["resource"]["id"]
            for page in self.pages(address, params)
            for entry in page.json().get("entry", ())
            if entry["search"]["mode"] == "match"
        ]

    def holdings(self, patient: str | None = None, query: str = "") -> list[bytes]:
        answer = self.http.get(f"{self.base}/holdings/{patient or self.patient}.ndjson{query}")
        return b"".join(answer.streaming_content).splitlines()
