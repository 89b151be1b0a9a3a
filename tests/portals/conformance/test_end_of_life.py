"""Cases 7.7: revocation and registration (the protocol parts)."""

import json

import pytest

from portals.smart.assertions import ClientCredentials
from portals.smart.errors import (
    OutcomeUncertain,
    PortalMisconfigured,
    PortalUnavailable,
    ProtocolFault,
    RevocationUnsupported,
    SmartError,
)
from portals.smart.registration import register
from portals.smart.revocation import revoke
from tests.portals.portal_double import HTML, Answer, PortalDouble


def give_back(portal, credentials, **kwargs):
    return revoke(
        revocation_endpoint=f"{portal.url}/revoke",
        token_endpoint=portal.token_endpoint,
        credentials=credentials,
        token="rt-1",
        **kwargs,
    )


def failed(portal, credentials, answer) -> SmartError:
    portal.on("/revoke", answer)
    with pytest.raises(SmartError) as caught:
        give_back(portal, credentials)
    return caught.value


def test_rev_both_tokens(portal, confidential, public):
    portal.on("/revoke", Answer(200))
    give_back(portal, confidential)
    give_back(portal, public, token_type_hint="access_token")
    first, second = portal.to("/revoke")
    assert first.form == {"token": "rt-1", "token_type_hint": "refresh_token"}
    assert first.headers["authorization"].startswith("Basic ")
    assert second.form == {"token": "rt-1", "token_type_hint": "access_token", "client_id": "our-app"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(204),
        HTML,
        Answer(400, json={"error": "invalid_grant"}),
        Answer(400, json={"error": "invalid_token"}),
    ],
)
def test_rev_a_token_the_portal_does_not_know_is_revoked(portal, confidential, answer):
    portal.on("/revoke", answer)
    assert give_back(portal, confidential) is None


def test_rev_503(portal, confidential):
    error = failed(portal, confidential, Answer(503, headers={"Retry-After": "30"}))
    assert isinstance(error, PortalUnavailable)
    assert error.retry_after_seconds == 30


@pytest.mark.parametrize("answer", [Answer(reset=True), Answer(hang_up=True)])
def test_rev_no_answer_is_merely_unavailable(portal, confidential, answer):
    assert isinstance(failed(portal, confidential, answer), PortalUnavailable)


@pytest.mark.parametrize(
    "answer", [Answer(400, json={"error": "unsupported_token_type"}), Answer(404), Answer(405), Answer(501)]
)
def test_rev_unsupported(portal, confidential, answer):
    assert isinstance(failed(portal, confidential, answer), RevocationUnsupported)


@pytest.mark.parametrize("answer", [Answer(401, json={"error": "invalid_client"}), Answer(400, json={"error": "<b>"})])
def test_rev_refused_is_an_operators_matter(portal, confidential, answer):
    error = failed(portal, confidential, answer)
    assert isinstance(error, PortalMisconfigured)
    assert "<b>" not in str(error)


def test_rev_redirect_is_not_followed(portal, confidential):
    with PortalDouble() as thief:
        error = failed(portal, confidential, Answer(307, headers={"Location": f"{thief.url}/"}))
        assert thief.requests == []
    assert isinstance(error, PortalMisconfigured)


def test_rev_assertion_is_for_the_token_endpoint(portal, key_pairs):
    portal.on("/revoke", Answer(200))
    give_back(portal, ClientCredentials("our-app", "private_key_jwt", signing_key=key_pairs["ES384"]))
    assert "client_assertion" in portal.to("/revoke")[0].form


# --- RFC 7591 ----------------------------------------------------------------------------------------

APP = {
    "client_name": "Connect",
    "redirect_uri": "https://us.example.com/oauth/callback/r1",
    "scope": "launch/patient patient/*.rs",
    "jwks_uri": "https://us.example.com/.well-known/jwks.json",
}


def apply(portal, method="private_key_jwt", **more):
    return register(registration_endpoint=f"{portal.url}/register", method=method, **APP, **more)


def test_registration_says_who_we_are_and_keeps_what_it_is_given(portal):
    portal.on(
        "/register",
        Answer(201, json={"client_id": "c9", "client_secret": "s9", "client_secret_expires_at": 1893456000,
                          "token_endpoint_auth_method": "client_secret_basic", "registration_access_token": "rat"}),
    )  # fmt: skip
    client = apply(portal, "client_secret_basic", initial_access_token="iat")
    sent = portal.to("/register")[0]
    assert json.loads(sent.body) == {
        "client_name": "Connect",
        "redirect_uris": ["https://us.example.com/oauth/callback/r1"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "launch/patient patient/*.rs",
    }
    assert sent.headers["authorization"] == "Bearer iat"
    assert (client.client_id, client.method, client.secret) == ("c9", "client_secret_basic", "s9")
    assert client.secret_expires_at.year == 2030
    assert "s9" not in repr(client)
    assert "rat" not in repr(client).replace("registration", "")


@pytest.mark.parametrize(("method", "sent"), [("public", "none"), ("private_key_jwt", "private_key_jwt")])
def test_registration_by_method(portal, method, sent):
    portal.on("/register", Answer(201, json={"client_id": "c9"}))
    assert apply(portal, method).method == method
    document = json.loads(portal.to("/register")[0].body)
    assert document["token_endpoint_auth_method"] == sent
    assert ("jwks_uri" in document) == (method == "private_key_jwt")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400, json={"error": "invalid_redirect_uri"}), PortalMisconfigured),
        (Answer(503), PortalUnavailable),
        (Answer(201, json={}), ProtocolFault),
        (Answer(201, body=b"<html>"), ProtocolFault),
        (Answer(reset=True), OutcomeUncertain),
    ],
)
def test_registration_failures(portal, answer, kind):
    portal.on("/register", answer)
    with pytest.raises(kind):
        apply(portal)
