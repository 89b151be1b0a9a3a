"""A portal that is a real HTTP server, and the way of a patient's browser through a flow."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from connect import ids
from portals.models import Registration, Source
from tests.portals.portal_double import Answer, PortalDouble

GRANTED = {
    "access_token": "canary-access-token", "refresh_token": "canary-refresh-token", "token_type": "Bearer",
    "expires_in": 3600, "patient": "canary-fhir-patient", "scope": "launch/patient patient/*.rs offline_access",
}  # fmt: skip


@pytest.fixture
def loopback(settings):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = True
    settings.OUTBOUND_ALLOW_PRIVATE = True


@pytest.fixture
def portal(loopback, db):
    """A portal in the sandbox's catalogue, with a registration of ours; `source` and `registration` are its rows."""
    with PortalDouble() as double:
        double.source, double.registration = listed(double)
        yield double


def listed(double: PortalDouble, *, name: str = "Mercy", **document) -> tuple[Source, Registration]:
    base = f"{double.url}/fhir"
    double.document = {
        "authorization_endpoint": f"{double.url}/authorize", "token_endpoint": f"{double.url}/token",
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["launch-standalone", "context-standalone-patient", "permission-offline", "permission-v2"],
        **document,
    }  # fmt: skip
    double.on("/fhir/.well-known/smart-configuration", lambda _: Answer(json=double.document))
    double.on("/token", Answer(json=GRANTED))
    source = Source.objects.create(
        id=ids.source_id("sandbox", base), environment="sandbox", fhir_base_url=base, name=name
    )
    return source, Registration.objects.create(environment="sandbox", source=source, client_id="app")


@pytest.fixture
def open_flow(api):
    """Open a flow over the API; answers its body."""

    def open_flow(**more) -> dict:
        body = {"patient_id": "p-1", "return_url": "https://app.example.org/back?x=1", **more}
        answer = api.create("/patient-flows", body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return open_flow


def left(browser: Client, flow: dict) -> str:
    """Open a Direct link in the browser: the `state` it left for the portal with."""
    answer = browser.get(urlsplit(flow["url"]).path)
    assert answer.status_code == 302, answer.content
    return parse_qs(urlsplit(answer["Location"]).query)["state"][0]


def come_back(browser: Client, registration: str, **parameters):
    """What the portal's redirect makes the browser do."""
    return browser.get(f"/oauth/callback/{registration}", parameters)
