"""Cases 7.2: the authorization request and the callback (what concerns the protocol; pages have tests of their own)."""

import re
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest

from portals.smart import scopes
from portals.smart.authorization import (
    authorization_request,
    callback_state,
    code_challenge,
    new_state,
    new_verifier,
    parse_callback,
)
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import CallbackError

V2 = SmartConfiguration("https://ehr.example.com/fhir", capabilities=("permission-v2", "permission-offline"))
V1 = SmartConfiguration("https://ehr.example.com/fhir", capabilities=("permission-v1", "permission-offline"))
ISSUER = "https://ehr.example.com"


def request_parameters(endpoint="https://ehr.example.com/authorize", scope="launch/patient patient/*.rs", **more):
    configuration = SmartConfiguration("https://ehr.example.com/fhir/r4", authorization_endpoint=endpoint)
    values = {"client_id": "c", "redirect_uri": "https://us.example.com/oauth/callback/reg", "state": "s"} | more
    values.setdefault("verifier", "v" * 43)
    url = authorization_request(configuration, scope=scope, **values)
    return url, parse_qsl(urlsplit(url).query, keep_blank_values=True)


def refusal(query: str, *, issuer=None, required=False) -> CallbackError:
    with pytest.raises(CallbackError) as caught:
        parse_callback(query, expected_issuer=issuer, iss_required=required)
    return caught.value


def test_authz_all_params():
    _, pairs = request_parameters()
    assert sorted(name for name, _ in pairs) == sorted(
        [
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "aud",
            "code_challenge",
            "code_challenge_method",
        ]
    )
    values = dict(pairs)
    assert (values["response_type"], values["code_challenge_method"]) == ("code", "S256")
    assert "launch" not in values


def test_authz_all_params_once_even_if_the_endpoint_brings_its_own():
    _, pairs = request_parameters(endpoint="https://ehr.example.com/authorize?response_type=token&aud=evil&state=")
    assert len(pairs) == len(dict(pairs)) == 8
    assert dict(pairs)["response_type"] == "code"


def test_authz_aud_exact():
    for base in ("https://ehr.example.com/fhir/r4", "https://ehr.example.com/fhir/r4/"):
        configuration = SmartConfiguration(base, authorization_endpoint="https://ehr.example.com/authorize")
        url = authorization_request(
            configuration, client_id="c", redirect_uri="https://us/cb", scope="s", state="s", verifier="v" * 43
        )
        assert parse_qs(urlsplit(url).query)["aud"] == [base]


def test_authz_state_entropy():
    states = {new_state() for _ in range(1000)}
    assert len(states) == 1000
    assert all(len(state) * 6 >= 128 and re.fullmatch(r"[A-Za-z0-9_-]+", state) for state in states)


def test_authz_verifier_fresh():
    verifiers = {new_verifier() for _ in range(1000)}
    assert len(verifiers) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier) for verifier in verifiers)
    verifier = verifiers.pop()
    assert verifier not in request_parameters(verifier=verifier)[0]


def test_the_challenge_is_that_of_rfc_7636_appendix_b():
    challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    assert challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_authz_existing_query_kept():
    url, pairs = request_parameters(endpoint="https://ehr.example.com/authorize?tenant=7&empty=")
    assert pairs[:2] == [("tenant", "7"), ("empty", "")]
    assert url.startswith("https://ehr.example.com/authorize?tenant=7&empty=&response_type=code&")


def test_authz_nonce_only_with_openid():
    assert "nonce" not in dict(request_parameters(nonce="n")[1])
    assert dict(request_parameters(nonce="n", scope="openid fhirUser")[1])["nonce"] == "n"


def test_authz_scope_syntax():
    assert scopes.choose(V2).split()[-1] == "patient/*.rs"
    assert scopes.choose(V1).split()[-1] == "patient/*.read"
    assert scopes.choose(SmartConfiguration("https://x")).split()[-1] == "patient/*.read"
    assert scopes.choose(V2, version="v1").split()[-1] == "patient/*.read"
    assert scopes.choose(V2, types=("Patient", "Condition")).endswith("patient/Patient.rs patient/Condition.rs")
    for bad in ("patient/Observation.sr", "patient/Observation.", "patient/Observation.rx", "patient/.rs"):
        assert scopes.parse(bad) is None
    granular = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    url, pairs = request_parameters(scope=granular)
    assert dict(pairs)["scope"] == granular
    assert "%7Claboratory" in url
    assert "?category" not in url


def test_authz_minimal_scopes():
    for configuration in (V1, V2):
        asked = scopes.choose(configuration)
        assert asked.split()[0] == "launch/patient"
        for scope in filter(None, map(scopes.parse, asked.split())):
            assert scope.permissions == {"r", "s"}
            assert scope.context == "patient"


@pytest.mark.parametrize(
    ("capabilities", "supported", "expected"),
    [
        (("permission-offline", "sso-openid-connect"), (), {"openid", "fhirUser", "offline_access"}),
        (("permission-offline",), (), {"offline_access"}),
        (("permission-online",), (), {"online_access"}),
        (("permission-online", "permission-offline"), (), {"offline_access"}),
        (("launch-standalone",), ("openid", "online_access"), {"openid", "fhirUser", "online_access"}),
        ((), (), {"openid", "fhirUser", "offline_access"}),
    ],
)
def test_authz_offline_access_and_identity_by_what_is_offered(capabilities, supported, expected):
    found = SmartConfiguration("https://x", capabilities=capabilities, scopes_supported=supported)
    assert set(scopes.choose(found).split()) - {"launch/patient", "patient/*.read"} == expected


def test_cb_success():
    outcome = parse_callback("code=abc%2F1&state=xyz&session_state=1", expected_issuer=ISSUER, iss_required=False)
    assert (outcome.code, outcome.state) == ("abc/1", "xyz")
    assert "abc" not in repr(outcome)


def test_cb_state_mismatch():
    """A callback is only ever found by its one state."""
    assert callback_state("code=1&state=xyz") == "xyz"
    assert callback_state("code=1") is None
    assert callback_state("code=1&state=") is None
    assert callback_state("code=1&state=a&state=b") is None
    assert refusal("code=1").failure_code == "oauth_callback_failed"
    assert refusal("state=1").failure_code == "oauth_callback_failed"


def test_cb_iss_wrong():
    query = urlencode({"code": "1", "state": "s", "iss": "https://evil.example.com"})
    assert refusal(query, issuer=ISSUER).failure_code == "issuer_mismatch"
    query = urlencode({"error": "access_denied", "state": "s", "iss": "https://evil.example.com"})
    assert refusal(query, issuer=ISSUER).failure_code == "issuer_mismatch"
    query = urlencode({"code": "1", "state": "s", "iss": ISSUER + "/"})
    assert refusal(query, issuer=ISSUER).failure_code == "issuer_mismatch"


def test_cb_iss_right_or_unknown():
    query = urlencode({"code": "1", "state": "s", "iss": ISSUER})
    assert parse_callback(query, expected_issuer=ISSUER, iss_required=True).code == "1"
    assert parse_callback(query, expected_issuer=None, iss_required=False).code == "1"


def test_cb_iss_missing_though_promised():
    assert refusal("code=1&state=s", issuer=ISSUER, required=True).failure_code == "issuer_mismatch"


def test_cb_access_denied():
    error = refusal("error=access_denied&state=s&error_description=no")
    assert (error.failure_code, error.reason) == ("user_denied", "access_denied")


@pytest.mark.parametrize(
    ("code", "failure_code"),
    [
        ("invalid_request", "portal_misconfigured"),
        ("unauthorized_client", "portal_misconfigured"),
        ("unsupported_response_type", "portal_misconfigured"),
        ("invalid_scope", "invalid_scope"),
        ("server_error", "portal_unavailable"),
        ("temporarily_unavailable", "portal_unavailable"),
        ("login_required", "oauth_callback_failed"),
        ("consent_required", "oauth_callback_failed"),
        ("interaction_required", "oauth_callback_failed"),
        ("<script>alert(1)</script>", "oauth_callback_failed"),
        ("", "oauth_callback_failed"),
    ],
)
def test_cb_each_error_code(code, failure_code):
    query = urlencode({"error": code, "state": "s", "error_description": "<script>" * 100, "error_uri": "https://evil"})
    error = refusal(query)
    assert error.failure_code == failure_code
    assert "script" not in repr(error) + str(error) + error.reason
    assert "evil" not in repr(error)


@pytest.mark.parametrize(
    "query",
    [
        "code=1&code=2&state=s",
        "code=1&state=s&state=s",
        "code=1&error=access_denied&state=s",
        "code=1&state=s&iss=a&iss=b",
        "error=access_denied&error=server_error&state=s",
    ],
)
def test_cb_duplicate_params(query):
    assert refusal(query).failure_code == "oauth_callback_failed"


def test_cb_an_endless_query_is_not_read():
    assert refusal("state=s&code=" + "1" * 20_000).reason == "too_long"
    assert callback_state("state=s&code=" + "1" * 20_000) is None
