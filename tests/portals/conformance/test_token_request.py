"""Cases 7.3: the token request and what comes back."""

import base64
import json
import logging
import time
from dataclasses import replace
from urllib.parse import unquote_plus

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from connect import outbound
from portals.smart import tokens
from portals.smart.assertions import ASSERTION_TYPE, ClientCredentials
from portals.smart.errors import (
    GrantRefused,
    OutcomeUncertain,
    PatientMissing,
    PortalMisconfigured,
    PortalUnavailable,
    ProtocolFault,
    SmartError,
)
from portals.smart.keys import new_key_pair, public_jwks
from tests.portals.portal_double import HTML, HTML_502, Answer, PortalDouble

VERIFIER = "verifier-" + "v" * 40
REDIRECT_URI = "https://us.example.com/oauth/callback/reg1"
GRANTED = {
    "access_token": "at-1",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "launch/patient patient/*.rs offline_access",
    "refresh_token": "rt-1",
    "patient": "pat-1",
}


def exchange(portal, credentials, code="code-1"):
    return tokens.exchange_code(
        token_endpoint=portal.token_endpoint,
        credentials=credentials,
        code=code,
        redirect_uri=REDIRECT_URI,
        verifier=VERIFIER,
    )


def answered(portal, credentials, **changes):
    document = {name: value for name, value in (GRANTED | changes).items() if value is not None}
    portal.on("/token", Answer(json=document))
    return exchange(portal, credentials)


def failed(portal, credentials, *answers) -> SmartError:
    portal.on("/token", *answers)
    with pytest.raises(SmartError) as caught:
        exchange(portal, credentials)
    return caught.value


def pkjwt(key_pairs, algorithm):
    return ClientCredentials("our-app", "private_key_jwt", signing_key=key_pairs[algorithm])


def opened(assertion, key_pairs):
    """The assertion's header and claims, verified with the key set we publish."""
    published = KeySet.import_key_set(public_jwks(pair.public_jwk for pair in key_pairs.values()))
    token = jwt.decode(assertion, published, algorithms=["RS384", "ES384"])
    return token.header, token.claims


def test_tok_public(portal, public):
    answered(portal, public)
    sent = portal.to("/token")[0]
    assert sent.method == "POST"
    assert sent.form == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_id": "our-app",
    }
    assert "authorization" not in sent.headers
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["accept"] == "application/json"


@pytest.mark.parametrize("secret", ["plain", "a:b+c%d e&f=g", "gehëim"])
def test_tok_basic_encoding(portal, secret):
    answered(portal, ClientCredentials("our:app+1", "client_secret_basic", secret=secret))
    sent = portal.to("/token")[0]
    user, _, password = base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (unquote_plus(user), unquote_plus(password)) == ("our:app+1", secret)
    assert not {"client_id", "client_secret"} & sent.form.keys()


def test_tok_secret_post(portal):
    answered(portal, ClientCredentials("our-app", "client_secret_post", secret="a&b"))
    sent = portal.to("/token")[0]
    assert (sent.form["client_id"], sent.form["client_secret"]) == ("our-app", "a&b")
    assert "authorization" not in sent.headers


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"], ids=["tok-pkjwt-es384", "tok-pkjwt-rs384"])
def test_tok_pkjwt(portal, key_pairs, algorithm, time_machine):
    time_machine.move_to("2026-04-25T14:30:00Z")
    answered(portal, pkjwt(key_pairs, algorithm))
    form = portal.to("/token")[0].form
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert not {"client_id", "client_secret"} & form.keys()
    header, claims = opened(form["client_assertion"], key_pairs)
    assert header == {"alg": algorithm, "kid": key_pairs[algorithm].kid, "typ": "JWT"}
    assert claims["iss"] == claims["sub"] == "our-app"
    assert claims["aud"] == portal.token_endpoint
    assert 0 < claims["exp"] - time.time() <= 300
    assert claims["jti"]


def test_tok_pkjwt_new_jti_on_retry(portal, key_pairs):
    portal.on("/token", Answer(503), Answer(json=GRANTED))
    with pytest.raises(PortalUnavailable):
        exchange(portal, pkjwt(key_pairs, "ES384"))
    exchange(portal, pkjwt(key_pairs, "ES384"))
    first, second = (opened(request.form["client_assertion"], key_pairs)[1] for request in portal.to("/token"))
    assert first["jti"] != second["jti"]


def test_tok_pkjwt_clock_skew(portal, key_pairs, time_machine):
    """Our clock is two minutes ahead of the portal's: still at most five minutes by its clock."""
    time_machine.move_to("2026-04-25T14:32:00Z", tick=False)
    portals_now = time.time() - 120
    answered(portal, pkjwt(key_pairs, "ES384"))
    _, claims = opened(portal.to("/token")[0].form["client_assertion"], key_pairs)
    assert claims["exp"] - portals_now <= 300
    assert not {"nbf", "iat"} & claims.keys()


def test_jwks_published():
    old, new = new_key_pair("RS384"), new_key_pair("ES384")
    published = public_jwks([old.public_jwk, new.public_jwk])["keys"]
    assert [key["kid"] for key in published] == [old.kid, new.kid]
    assert [(key["kty"], key["alg"], key["use"]) for key in published] == [
        ("RSA", "RS384", "sig"),
        ("EC", "ES384", "sig"),
    ]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {member for key in published for member in key}
    with pytest.raises(ValueError, match="kid"):
        public_jwks([old.public_jwk, old.public_jwk])


def test_jwks_published_never_shows_a_private_member_it_is_handed():
    pair = new_key_pair("ES384")
    private = json.loads(pair.private_jwk)
    assert "d" in private
    assert "d" not in public_jwks([private | {"kid": "1"}])["keys"][0]
    assert private["d"] not in repr(pair)


def test_tok_same_redirect_uri_and_tok_verifier_sent(portal, confidential):
    answered(portal, confidential)
    form = portal.to("/token")[0].form
    assert (form["redirect_uri"], form["code_verifier"]) == (REDIRECT_URI, VERIFIER)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_tok_invalid_grant_on_code(portal, confidential, status):
    error = failed(portal, confidential, Answer(status, json={"error": "invalid_grant", "error_description": "x"}))
    assert isinstance(error, GrantRefused)
    assert error.failure_code == "token_exchange_failed"
    assert len(portal.to("/token")) == 1


def test_tok_timeout_after_send(portal, confidential, monkeypatch):
    hurried = replace(outbound.PORTAL_TOKEN, read_seconds=0.1, total_seconds=0.2)
    monkeypatch.setattr(outbound, "PORTAL_TOKEN", hurried)
    error = failed(portal, confidential, Answer(silent=True))
    assert isinstance(error, OutcomeUncertain)
    assert error.failure_code == "portal_unavailable"
    assert len(portal.to("/token")) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_tok_redirect_refused(portal, confidential, status):
    with PortalDouble() as thief:
        error = failed(portal, confidential, Answer(status, headers={"Location": f"{thief.url}/token"}))
        assert thief.requests == []
    assert isinstance(error, PortalMisconfigured)
    assert len(portal.requests) == 1


@pytest.mark.parametrize("patient", [None, "", [], {}, True, "../../admin", "a b"])
def test_tok_no_patient(portal, confidential, patient):
    answer = answered(portal, confidential, patient=patient)
    with pytest.raises(PatientMissing) as caught:
        answer.require_patient()
    assert caught.value.failure_code == "patient_missing"


@pytest.mark.parametrize(
    ("sent", "patient"), [("p.1-A", "p.1-A"), ("Patient/7", "7"), (-20140000008325, "-20140000008325")]
)
def test_tok_patient_as_portals_write_it(portal, confidential, sent, patient):
    assert answered(portal, confidential, patient=sent).require_patient() == patient


def test_tok_scope_reduced(portal, confidential):
    answer = answered(portal, confidential, scope="launch/patient patient/Condition.rs")
    asked = "launch/patient offline_access patient/Condition.rs patient/Goal.rs"
    assert answer.scopes_missing(asked) == ("patient/Goal.rs",)


@pytest.mark.parametrize(
    "scope", ["offline_access patient/*.read launch/patient", ["patient/*.rs"], "  patient/*.rs\n"]
)
def test_tok_scope_other_syntax(portal, confidential, scope):
    assert answered(portal, confidential, scope=scope).scopes_missing("launch/patient patient/*.rs") == ()


def test_tok_scope_absent_means_as_asked(portal, confidential):
    answer = answered(portal, confidential, scope=None)
    assert answer.scope is None
    assert answer.granted("launch/patient patient/*.rs") == "launch/patient patient/*.rs"


def test_tok_no_refresh_token(portal, confidential):
    answer = answered(portal, confidential, refresh_token=None, access_grant_expiration="2027-05-25T00:00:00Z")
    assert answer.refresh_token is None
    assert answer.scopes_missing("patient/*.rs offline_access") == ()  # listed as granted by the portal
    assert answer.grant_ends_at.isoformat() == "2027-05-25T00:00:00+00:00"


def test_tok_offline_scope_missing_but_rt_present(portal, confidential):
    answer = answered(portal, confidential, scope="launch/patient patient/*.rs")
    assert answer.refresh_token == "rt-1"
    assert answer.scopes_missing("launch/patient patient/*.rs offline_access") == ()


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [(3600, 3600), ("3600", 3600), (570.9, 570), ("570.0", 570), (0, 0), (-5, 0), ("soon", None), (None, None),
     ([], None), ({}, None), ("NaN", None), ("1e400", None), (10**18, 400 * 86400)],
)  # fmt: skip
def test_tok_expires_in_missing_or_string(portal, confidential, sent, seconds):
    assert answered(portal, confidential, expires_in=sent).expires_in_seconds == seconds


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER", None])
def test_tok_token_type_case(portal, confidential, kind):
    assert answered(portal, confidential, token_type=kind).access_token == "at-1"


@pytest.mark.parametrize(
    "change",
    [{"token_type": "DPoP"}, {"token_type": "mac"}, {"token_type": 7}, {"access_token": None}, {"access_token": 5},
     {"access_token": "a\r\nX: 1"}],
)  # fmt: skip
def test_tok_unusable_token_is_a_protocol_fault(portal, confidential, change):
    with pytest.raises(ProtocolFault) as caught:
        answered(portal, confidential, **change)
    assert caught.value.failure_code == "token_exchange_failed"


def test_tok_extra_members(portal, confidential):
    answer = answered(
        portal,
        confidential,
        smart_style_url=f"{portal.url}/style",
        tenant="x",
        fhirContext=[{"reference": "a"}],
        expires_at={},
    )
    assert answer.access_token == "at-1"
    assert portal.to("/style") == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, json={"error": "server_error"}),
        Answer(200, json={"error": "maintenance", "access_token": "no"}),
        Answer(200, json={"error": {"code": 7}}),
        Answer(200, json=[]),
        Answer(200, body=b""),
        Answer(200, body=b"access_token=a&token_type=bearer"),
        HTML,
        HTML_502,
        Answer(404, body=b"<html>"),
        Answer(401, json={"message": "Unauthorized"}),
        Answer(429, headers={"Retry-After": "7"}),
        Answer(400, json={"error": "temporarily_unavailable"}),
        Answer(429, json={"error": "invalid_request"}, headers={"Retry-After": "7"}),
    ],
)
def test_tok_200_with_error_body(portal, confidential, answer):
    error = failed(portal, confidential, answer)
    assert isinstance(error, PortalUnavailable)
    assert error.retry_after_seconds == (7 if answer.headers else None)


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "unsupported_grant_type"])
def test_tok_invalid_client_is_never_the_patients_doing(portal, confidential, code):
    error = failed(portal, confidential, Answer(401, json={"error": code}))
    assert isinstance(error, PortalMisconfigured)
    assert (error.failure_code, error.reason) == ("portal_misconfigured", code)


def test_sec_tokens_encrypted_no_secret_in_reprs_errors_and_logs(portal, public, caplog):
    """Tokens, codes, verifiers and portal text stay out of logs (at DEBUG too), reprs and errors."""
    caplog.set_level(logging.DEBUG)
    credentials = ClientCredentials("our-app", "client_secret_post", secret="our-secret")
    answer = answered(portal, credentials, access_token="at-canary", refresh_token="rt-canary", id_token="it-canary")
    error = failed(
        portal, credentials, Answer(400, json={"error": "invalid_grant", "error_description": "text-canary"})
    )
    odd = failed(portal, credentials, Answer(400, json={"error": "code-canary"}))
    told = repr(answer) + repr(error) + str(error) + repr(odd) + str(odd) + repr(credentials) + caplog.text
    for secret in ("canary", "our-secret", "code-1", VERIFIER):
        assert secret not in told


def test_sec_no_token_in_url(portal, confidential):
    answered(portal, confidential)
    assert all(request.query == "" for request in portal.requests)
