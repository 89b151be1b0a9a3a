"""Cases 7.1, 1 to 10: discovery."""

import json
import socket
import time
from dataclasses import replace

import pytest

from connect import outbound
from portals.smart.authorization import authorization_request, new_state, new_verifier
from portals.smart.discovery import OAUTH_URIS, REFUSALS, SmartConfiguration, discover
from portals.smart.errors import PortalMisconfigured, PortalUnavailable
from portals.smart.tokens import refresh
from tests.portals.portal_double import HTML, HTML_502, Answer, PortalDouble

WELL_KNOWN = "/fhir/.well-known/smart-configuration"


def statement(**uris) -> dict:
    extension = [{"url": name, "valueUri": uri} for name, uri in uris.items()]
    security = {"extension": [{"url": "http://other"}, {"url": OAUTH_URIS, "extension": extension}]}
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "security": security}]}


def test_disc_path_appended(portal):
    portal.on("/a/b/.well-known/smart-configuration", Answer(json=portal.document))
    for base in (f"{portal.url}/a/b/", f"{portal.url}/a/b"):
        assert discover(base).fhir_base_url == base
    assert [request.path for request in portal.requests] == ["/a/b/.well-known/smart-configuration"] * 2
    assert portal.requests[0].headers["accept"] == "application/json"


def test_disc_path_appended_before_the_bases_own_query(portal):
    discover(f"{portal.base}?cust=7")
    assert (portal.requests[0].path, portal.requests[0].query) == (WELL_KNOWN, "cust=7")


def test_disc_relative_endpoints(portal):
    portal.document |= {"token_endpoint": "oauth/token", "authorization_endpoint": "/login"}
    found = discover(portal.base)
    assert found.token_endpoint == f"{portal.base}/oauth/token"
    assert found.authorization_endpoint == f"{portal.url}/login"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_disc_legacy_metadata_fallback(portal, status):
    portal.on(WELL_KNOWN, Answer(status, body=b"<html>no</html>"))
    portal.on("/fhir/metadata", Answer(json=statement(authorize=f"{portal.url}/a", token="token", revoke="revoke")))
    found = discover(portal.base)
    assert found.found_in == "capability-statement"
    assert (found.token_endpoint, found.revocation_endpoint) == (f"{portal.base}/token", f"{portal.base}/revoke")
    assert found.refusal is None
    url = authorization_request(
        found, client_id="c", redirect_uri="https://us/cb", scope="s", state=new_state(), verifier=new_verifier()
    )
    assert "code_challenge_method=S256" in url


def test_disc_plain_only_refused(portal):
    portal.document["code_challenge_methods_supported"] = ["plain"]
    assert discover(portal.base).refusal == "pkce_plain_only"
    assert REFUSALS["pkce_plain_only"]


@pytest.mark.parametrize("methods", [None, [], ["S256"], ["plain", "S256"]])
def test_disc_silence_about_pkce_is_no_reason_to_refuse(portal, methods):
    portal.document["code_challenge_methods_supported"] = methods
    assert discover(portal.base).refusal is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"authorization_endpoint": None}, "no_authorization_endpoint"),
        ({"token_endpoint": ""}, "no_token_endpoint"),
        ({"grant_types_supported": ["client_credentials"]}, "no_authorization_code"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "endpoint_not_allowed"),
        ({"token_endpoint": "https://169.254.169.254/token"}, "endpoint_not_allowed"),
        ({"token_endpoint": "https://user:pass@example.com/token"}, "endpoint_not_allowed"),
    ],
)
def test_disc_what_cannot_serve_us_is_refused_with_a_reason(portal, change, refusal):
    portal.document |= change
    assert discover(portal.base).refusal == refusal
    assert refusal in REFUSALS


def test_disc_nonsense_members_are_survived(portal):
    portal.document |= {"capabilities": "launch", "scopes_supported": [1, "openid"], "jwks_uri": 7, "issuer": {}}
    found = discover(portal.base)
    assert (found.capabilities, found.scopes_supported, found.jwks_uri, found.issuer) == ((), ("openid",), None, None)


def test_disc_html_200(portal):
    portal.on(WELL_KNOWN, HTML)
    portal.on("/fhir/metadata", HTML)
    with pytest.raises(PortalUnavailable) as caught:
        discover(portal.base)
    assert caught.value.failure_code == "portal_unavailable"


def test_disc_html_502(portal):
    portal.on(WELL_KNOWN, HTML_502)
    with pytest.raises(PortalUnavailable):
        discover(portal.base)
    assert portal.to("/fhir/metadata") == []


def test_disc_http_endpoint_refused(portal, local, monkeypatch):
    """Found over https (here: by a door that stands in for it), the endpoints themselves are http."""
    portal.document["token_endpoint"] = "http://portal.example.com/token"
    found = discover(portal.base)
    assert found.refusal is None  # the loopback test switch
    local.OUTBOUND_ALLOW_INSECURE_HTTP = False
    document = outbound.Response(200, {}, json.dumps(portal.document).encode(), 1, "")
    monkeypatch.setattr(outbound, "request", lambda *args, **kwargs: document)
    assert discover("https://portal.example.com/fhir").refusal == "insecure_endpoint"


def test_disc_cross_host_change(portal, public):
    pinned = discover(portal.base)
    portal.on("/token", Answer(json={"access_token": "a", "token_type": "Bearer"}))
    with PortalDouble() as stranger:
        portal.document["token_endpoint"] = f"{stranger.url}/token"
        assert discover(portal.base).moved_from(pinned) == ("token_endpoint",)
        refresh(token_endpoint=pinned.token_endpoint, credentials=public, refresh_token="r1")
        assert stranger.requests == []
    assert portal.to("/token")[0].form["refresh_token"] == "r1"
    portal.document["token_endpoint"] = f"{portal.url}/other-path"
    assert discover(portal.base).moved_from(pinned) == ()


def test_disc_issuer_mismatch(portal):
    portal.document |= {"issuer": f"{portal.url}/issuer", "jwks_uri": f"{portal.url}/jwks"}
    portal.document["capabilities"].append("sso-openid-connect")
    portal.on("/issuer/.well-known/openid-configuration", Answer(json={"issuer": "https://evil.example.com"}))
    assert discover(portal.base).refusal == "issuer_mismatch"
    portal.on("/issuer/.well-known/openid-configuration", Answer(json={"issuer": f"{portal.url}/issuer"}))
    assert discover(portal.base).refusal is None
    portal.on("/issuer/.well-known/openid-configuration", Answer(503))
    assert discover(portal.base).refusal is None


def test_disc_huge(portal, monkeypatch):
    monkeypatch.setattr(outbound, "PROBE", replace(outbound.PROBE, max_body_bytes=10_000))
    portal.on(WELL_KNOWN, Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 5_000_000))
    with pytest.raises(PortalUnavailable) as caught:
        discover(portal.base)
    assert caught.value.reason == "too_large"


def test_disc_slow(portal, monkeypatch):
    monkeypatch.setattr(outbound, "PROBE", replace(outbound.PROBE, total_seconds=0.3))
    portal.on(WELL_KNOWN, Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n{" + b" " * 1000, drip=0.01))
    started = time.monotonic()
    with pytest.raises(PortalUnavailable) as caught:
        discover(portal.base)
    assert caught.value.reason == "deadline"
    assert time.monotonic() - started < 1


def test_disc_deep_json(portal):
    portal.on(WELL_KNOWN, Answer(body=b"[" * 200_000))
    portal.on("/fhir/metadata", Answer(body=b'{"a":' * 200_000))
    with pytest.raises(PortalUnavailable):
        discover(portal.base)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "[::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "localhost"]
)
def test_ssrf_private_address(local, host):
    local.OUTBOUND_ALLOW_PRIVATE = False
    with pytest.raises(PortalMisconfigured) as caught:
        discover(f"https://{host}/fhir")
    assert caught.value.reason == "address_not_allowed"


def test_ssrf_private_address_after_a_redirect_and_on_rebinding(portal, local, monkeypatch):
    portal.on(WELL_KNOWN, Answer(302, headers={"Location": "http://169.254.169.254/"}))
    with pytest.raises(PortalMisconfigured) as caught:
        discover(portal.base)
    assert caught.value.reason == "address_not_allowed"
    local.OUTBOUND_ALLOW_PRIVATE = False
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kw: real("127.0.0.1", *args, **kw))
    with pytest.raises(PortalMisconfigured) as caught:
        discover("https://rebound.example.com/fhir")
    assert caught.value.reason == "address_not_allowed"


def test_a_configuration_survives_being_kept_as_json(portal):
    found = discover(portal.base)
    kept = json.loads(json.dumps(found.to_dict()))
    assert SmartConfiguration.from_dict(kept | {"member_of_a_later_version": 1}) == found
