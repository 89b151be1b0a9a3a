"""The token endpoint: codes, refresh tokens, client authentication, revocation, introspection, ID tokens."""

import base64
import json
import time
import uuid

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.portals.sandbox.visitor import CALLBACK, App, pkce


def refused(answer, error="invalid_grant"):
    return answer.status_code in {400, 401} and answer.json()["error"] == error


def test_a_code_becomes_tokens(connected):
    tokens = connected().tokens
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert {"access_token", "refresh_token", "id_token", "patient", "scope"} <= set(tokens)


def test_token_answers_are_not_stored_anywhere(app):
    plain = app()
    assert plain.exchange(plain.code())["Cache-Control"] == "no-store"


@pytest.mark.parametrize("changed", [{"code_verifier": pkce()[0]}, {"code_verifier": None}])
def test_a_code_needs_its_verifier(app, changed):
    plain = app()
    assert refused(plain.exchange(plain.code(), **changed))


def test_a_code_needs_the_same_redirect_uri(app):
    plain = app()
    assert refused(plain.exchange(plain.code(), redirect_uri=f"{CALLBACK}/other"))


def test_a_code_is_of_one_client(app):
    plain = app()
    stranger = App(client_id="connect-sandbox-public", secret="")
    assert refused(stranger.exchange(plain.code(), code_verifier=plain.verifier))


def test_a_code_lives_a_minute(app):
    plain = app()
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        code = plain.code()
        clock.shift(61)
        assert refused(plain.exchange(code))


def test_a_code_used_twice_ends_the_grant_it_made(app):
    plain = app()
    code = plain.code()
    plain.tokens = plain.exchange(code).json()
    assert plain.get(f"Patient/{plain.patient}").status_code == 200
    assert refused(plain.exchange(code))
    assert plain.get(f"Patient/{plain.patient}").status_code == 401
    assert refused(plain.refresh())


def test_a_refresh_token_stays_the_same_at_the_plain_portal(connected):
    plain = connected()
    before = plain.tokens["access_token"]
    answer = plain.refresh()
    assert "refresh_token" not in answer.json()
    assert answer.json()["patient"] == plain.patient
    assert plain.get(f"Patient/{plain.patient}").status_code == 200
    assert plain.get(f"Patient/{plain.patient}", token=before).status_code == 200


def test_a_rotated_refresh_token_replaces_the_old_and_ends_the_old_access(connected):
    rotating = connected("rotating-refresh")
    before = dict(rotating.tokens)
    assert rotating.refresh().json()["refresh_token"] != before["refresh_token"]
    assert rotating.get(f"Patient/{rotating.patient}", token=before["access_token"]).status_code == 401
    assert rotating.get(f"Patient/{rotating.patient}").status_code == 200
    assert rotating.refresh().status_code == 200


def test_a_rotated_refresh_token_used_again_ends_the_whole_grant(connected):
    rotating = connected("rotating-refresh")
    old = rotating.tokens["refresh_token"]
    rotating.refresh()
    assert refused(rotating.token(grant_type="refresh_token", refresh_token=old))
    assert rotating.get(f"Patient/{rotating.patient}").status_code == 401
    assert refused(rotating.refresh())


def test_a_public_apps_refresh_token_rotates_everywhere(app):
    public = app(client_id="connect-sandbox-public", secret="").connect()
    old = public.tokens["refresh_token"]
    assert public.refresh().json()["refresh_token"] != old
    assert refused(public.token(grant_type="refresh_token", refresh_token=old))


def test_a_refresh_may_narrow_the_scope_but_not_widen_it(connected):
    plain = connected()
    assert plain.refresh(scope="launch/patient patient/*.rs").json()["scope"] == "launch/patient patient/*.rs"
    assert refused(plain.refresh(scope="patient/*.rs user/*.rs"), "invalid_scope")


def test_a_narrowed_access_token_sees_less(connected):
    plain = connected(scope="launch/patient offline_access patient/Observation.rs patient/Condition.rs")
    plain.refresh(scope="patient/Observation.rs")
    assert plain.get("Observation", {"patient": plain.patient}).status_code == 200
    assert plain.get("Condition", {"patient": plain.patient}).status_code == 403


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_the_grant(connected, kind):
    plain = connected()
    form = {"client_id": plain.client_id, "client_secret": plain.secret, "token": plain.tokens[kind]}
    assert plain.http.post(f"{plain.base}/revoke", form).status_code == 200
    assert plain.get(f"Patient/{plain.patient}").status_code == 401
    assert refused(plain.refresh())


def test_revoking_an_unknown_token_is_fine_but_needs_a_client(connected):
    plain = connected()
    form = {"client_id": plain.client_id, "client_secret": plain.secret, "token": "unknown"}
    assert plain.http.post(f"{plain.base}/revoke", form).status_code == 200
    assert plain.http.post(f"{plain.base}/revoke", form | {"client_secret": "wrong"}).status_code == 401


def test_introspection_knows_a_live_token_and_forgets_a_dead_one(connected):
    plain = connected()
    form = {"client_id": plain.client_id, "client_secret": plain.secret, "token": plain.tokens["access_token"]}
    told = plain.http.post(f"{plain.base}/introspect", form).json()
    assert told["active"] is True
    assert told["scope"] == plain.tokens["scope"]
    assert told["patient"] == plain.patient
    with time_machine.travel(time.time() + 3601):
        assert plain.http.post(f"{plain.base}/introspect", form).json() == {"active": False}


def test_the_secret_may_come_as_basic_with_both_halves_form_encoded(app):
    plain = app()
    code = plain.code()
    header = base64.b64encode(b"connect%2Dsandbox:connect-sandbox-secret").decode()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": plain.verifier}
    answer = plain.http.post(f"{plain.base}/token", form, headers={"Authorization": f"Basic {header}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [("connect-sandbox", "wrong"), ("connect-sandbox", ""), ("nobody", "connect-sandbox-secret")],
)
def test_a_client_that_cannot_prove_itself_is_refused(app, client_id, secret):
    plain = app()
    code = plain.code()
    plain.client_id, plain.secret = client_id, secret
    answer = plain.exchange(code)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer["WWW-Authenticate"].startswith("Basic")


def test_an_unknown_grant_type_is_refused(app):
    assert refused(app().token(grant_type="password"), "unsupported_grant_type")


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_the_id_token_verifies_with_the_portals_own_keys(app, algorithm):
    plain = app()
    metadata = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
        "id_token_signed_response_alg": algorithm,
    }
    made = plain.http.post(f"{plain.base}/register", json.dumps(metadata), content_type="application/json").json()
    plain.client_id, plain.secret = made["client_id"], made["client_secret"]
    plain.connect()
    keys = KeySet.import_key_set(plain.http.get(f"{plain.base}/jwks.json").json())
    claims = jwt.decode(plain.tokens["id_token"], keys, algorithms=[algorithm]).claims
    assert claims["iss"] == plain.fhir
    assert claims["aud"] == plain.client_id
    assert claims["nonce"] == "nonce-1"
    assert claims["fhirUser"] == f"{plain.fhir}/Patient/{plain.patient}"
    assert claims["exp"] > claims["iat"]


def test_there_is_no_id_token_without_openid(connected):
    assert "id_token" not in connected(scope="launch/patient patient/*.rs").tokens


class SignedApp(App):
    """An app that registered a key and proves itself with assertions."""

    def register(self, key, **keys):
        self.key = key
        metadata = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"}
        metadata |= keys or {"jwks": {"keys": [key.as_dict(private=False)]}}
        answer = self.http.post(f"{self.base}/register", json.dumps(metadata), content_type="application/json")
        assert answer.status_code == 201, answer.content
        self.client_id, self.secret = answer.json()["client_id"], ""
        return self

    def assertion(self, **changed) -> str:
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{self.base}/token",
            "exp": int(time.time()) + 240,
            "jti": str(uuid.uuid4()),
        } | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        algorithm = "RS384" if self.key.key_type == "RSA" else "ES384"
        return jwt.encode({"alg": algorithm, "kid": "k1", "typ": "JWT"}, claims, self.key, algorithms=[algorithm])

    def token(self, assertion: str = "", **form):
        form = {name: value for name, value in form.items() if value is not None}
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form |= {"client_assertion_type": kind, "client_assertion": assertion or self.assertion()}
        return self.http.post(f"{self.base}/token", form)


def new_key(kind: str):
    options = {"kid": "k1", "use": "sig"}
    return RSAKey.generate_key(2048, options) if kind == "RS384" else ECKey.generate_key("P-384", options)


@pytest.fixture
def signed():
    return SignedApp("private-key-jwt").register(new_key("ES384"))


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_signed_assertion_proves_the_client(algorithm):
    signed = SignedApp("private-key-jwt").register(new_key(algorithm)).connect()
    assert signed.refresh().status_code == 200


def test_an_assertion_is_taken_once(signed):
    assertion = signed.assertion()
    assert refused(signed.token(assertion, grant_type="refresh_token", refresh_token="x"), "invalid_grant")
    assert refused(signed.token(assertion, grant_type="refresh_token", refresh_token="x"), "invalid_client")


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 1_500_000_000},
        {"exp": 4_000_000_000},
        {"exp": None},
        {"aud": "https://elsewhere.example/token"},
        {"iss": "someone"},
        {"sub": "someone"},
        {"jti": None},
    ],
)
def test_an_assertion_with_a_wrong_claim_is_refused(signed, changed):
    answer = signed.token(signed.assertion(**changed), grant_type="refresh_token", refresh_token="x")
    assert refused(answer, "invalid_client")


def test_an_assertion_signed_by_another_key_is_refused(signed):
    signed.key = new_key("ES384")
    assert refused(signed.token(grant_type="refresh_token", refresh_token="x"), "invalid_client")


def test_keys_are_fetched_from_the_apps_address_and_again_for_a_new_key(httpserver):
    first, second = new_key("ES384"), new_key("RS384")
    second = RSAKey.import_key(second.as_dict(private=True) | {"kid": "k1"})
    httpserver.expect_ordered_request("/jwks").respond_with_json({"keys": []})
    httpserver.expect_ordered_request("/jwks").respond_with_json({"keys": [first.as_dict(private=False)]})
    signed = SignedApp("private-key-jwt").register(first, jwks_uri=httpserver.url_for("/jwks"))
    assert refused(signed.token(grant_type="refresh_token", refresh_token="x"), "invalid_client")
    assert refused(signed.token(grant_type="refresh_token", refresh_token="x"), "invalid_grant")
    assert refused(signed.token(grant_type="refresh_token", refresh_token="x"), "invalid_grant")
    assert len(httpserver.log) == 2


def test_secrets_are_refused_where_assertions_are_needed(app):
    picky = app("private-key-jwt")
    assert refused(picky.exchange(picky.code()), "invalid_client")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://elsewhere.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example/cb#x"]}, "invalid_redirect_uri"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        (
            {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "http://169.254.169.254/keys"},
            "invalid_client_metadata",
        ),
    ],
)
def test_a_registration_that_will_not_do_is_refused(app, changed, error):
    plain = app()
    body = json.dumps({"redirect_uris": [CALLBACK]} | changed)
    assert refused(plain.http.post(f"{plain.base}/register", body, content_type="application/json"), error)


def test_a_registered_app_is_held_to_its_exact_redirect_uris(app):
    plain = app()
    body = json.dumps({"redirect_uris": ["https://app.example/back"], "client_name": "Example"})
    made = plain.http.post(f"{plain.base}/register", body, content_type="application/json").json()
    assert plain.authorize(client_id=made["client_id"], redirect_uri="https://app.example/back").status_code == 302
    assert plain.authorize(client_id=made["client_id"], redirect_uri="https://app.example/back/").status_code == 400
    assert plain.authorize(client_id=made["client_id"]).status_code == 400


def test_tokens_of_one_portal_are_nothing_at_another(connected):
    plain = connected()
    assert plain.get(f"{App('flaky').fhir}/Patient/{plain.patient}").status_code == 401


def test_access_ends_after_its_hour(connected):
    plain = connected()
    with time_machine.travel(time.time() + 3601):
        answer = plain.get(f"Patient/{plain.patient}")
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]
