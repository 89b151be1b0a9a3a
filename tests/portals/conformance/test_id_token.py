"""Cases 7.4: the ID token."""

import hmac
import json
import time
from base64 import urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import IdTokenInvalid, PortalUnavailable
from portals.smart.id_tokens import validate_id_token
from tests.portals.portal_double import HTML, Answer

ISSUER = "https://ehr.example.com"
BASE = "https://ehr.example.com/fhir"


@pytest.fixture(scope="module")
def rsa():
    return RSAKey.generate_key(2048, {"kid": "rsa-1"})


@pytest.fixture(scope="module")
def other_rsa():
    return RSAKey.generate_key(2048, {"kid": "rsa-2"})


def publish(portal, *keys):
    portal.on("/jwks", Answer(json={"keys": [key.as_dict(private=False) for key in keys]}))


def sign(key, header=None, **changes):
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "our-app", "sub": "u1", "iat": now, "exp": now + 300, "nonce": "n1"} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"alg": "RS256", "kid": getattr(key, "kid", None)} | (header or {})
    return jwt.encode({name: value for name, value in header.items() if value}, claims, key, algorithms=[header["alg"]])


def encoded(header: dict) -> str:
    return urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


def validate(portal, token, nonce="n1", **changes):
    configuration = SmartConfiguration(BASE, **({"issuer": ISSUER, "jwks_uri": f"{portal.url}/jwks"} | changes))
    return validate_id_token(token, configuration=configuration, client_id="our-app", nonce=nonce)


def refusal(portal, token, **kwargs) -> IdTokenInvalid:
    with pytest.raises(IdTokenInvalid) as caught:
        validate(portal, token, **kwargs)
    return caught.value


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256"])
def test_idt_good(portal, rsa, algorithm):
    publish(portal, rsa)
    found = validate(portal, sign(rsa, {"alg": algorithm}))
    assert found.subject == "u1"
    assert "u1" not in repr(found)


def test_idt_good_es384(portal):
    key = ECKey.generate_key("P-384", {"kid": "ec"})
    publish(portal, key)
    assert validate(portal, sign(key, {"alg": "ES384"})).subject == "u1"


def test_idt_sig_none(portal, rsa):
    publish(portal, rsa)
    payload = sign(rsa).split(".")[1]
    assert refusal(portal, f"{encoded({'alg': 'none'})}.{payload}.").reason == "algorithm"


def test_idt_bad_signature(portal, rsa, other_rsa):
    publish(portal, rsa)
    assert refusal(portal, sign(other_rsa, {"kid": "rsa-1"})).reason == "signature"
    head, _, signature = sign(rsa).split(".")
    forged = sign(rsa, sub="u2").split(".")[1]
    assert refusal(portal, f"{head}.{forged}.{signature}").reason == "signature"


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "..", "e30.e30.e30", "é.é.é", "[" * 5000])
def test_idt_nonsense(portal, rsa, token):
    publish(portal, rsa)
    refusal(portal, token)


def test_idt_wrong_iss(portal, rsa):
    publish(portal, rsa)
    assert refusal(portal, sign(rsa, iss=ISSUER + "/")).failure_code == "issuer_mismatch"


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other-app"},
        {"aud": []},
        {"aud": None},
        {"aud": ["our-app", "other-app"]},
        {"aud": ["our-app", "other-app"], "azp": "other-app"},
        {"azp": "other-app"},
    ],
)
def test_idt_wrong_aud(portal, rsa, claims):
    publish(portal, rsa)
    assert refusal(portal, sign(rsa, **claims)).reason in ("audience", "authorized_party")


@pytest.mark.parametrize("claims", [{"aud": ["our-app"]}, {"aud": ["our-app", "x"], "azp": "our-app"}])
def test_idt_right_aud(portal, rsa, claims):
    publish(portal, rsa)
    assert validate(portal, sign(rsa, **claims))


@pytest.mark.parametrize("sub", [None, "", 7])
def test_idt_no_sub(portal, rsa, sub):
    publish(portal, rsa)
    assert refusal(portal, sign(rsa, sub=sub)).reason == "subject"


@pytest.mark.parametrize("iat", [None, "now", 10**12, 1])
def test_idt_no_iat(portal, rsa, iat):
    publish(portal, rsa)
    assert refusal(portal, sign(rsa, iat=iat)).reason == "issued_at"


@pytest.mark.parametrize("seconds", [-121, None])
def test_idt_expired(portal, rsa, seconds):
    publish(portal, rsa)
    expires = None if seconds is None else int(time.time()) + seconds
    assert refusal(portal, sign(rsa, exp=expires)).reason == "expired"


def test_idt_clocks_may_differ_a_little(portal, rsa):
    publish(portal, rsa)
    now = int(time.time())
    assert validate(portal, sign(rsa, exp=now - 60, iat=now + 60, nbf=now + 60))
    assert refusal(portal, sign(rsa, nbf=now + 600)).reason == "not_yet_valid"


@pytest.mark.parametrize("nonce", ["other", None, ""])
def test_idt_nonce_wrong(portal, rsa, nonce):
    publish(portal, rsa)
    assert refusal(portal, sign(rsa, nonce=nonce)).reason == "nonce"


def test_idt_kid_absent_one_key(portal, rsa):
    ec_key = ECKey.generate_key("P-256", {"kid": "ec"})
    encryption = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"})
    publish(portal, rsa, ec_key, encryption)
    assert validate(portal, sign(rsa, {"kid": None})).subject == "u1"


def test_idt_kid_absent_many_keys(portal, rsa, other_rsa):
    publish(portal, rsa, other_rsa)
    assert refusal(portal, sign(rsa, {"kid": None})).reason == "key_unknown"


def test_idt_key_rotated(portal, rsa, other_rsa, time_machine):
    publish(portal, rsa)
    validate(portal, sign(rsa))
    validate(portal, sign(rsa))
    assert len(portal.to("/jwks")) == 1
    publish(portal, rsa, other_rsa)
    refusal(portal, sign(other_rsa))
    assert len(portal.to("/jwks")) == 1  # read less than a minute ago
    time_machine.move_to(time.time() + 61)
    assert validate(portal, sign(other_rsa)).subject == "u1"
    assert len(portal.to("/jwks")) == 2
    for _ in range(5):
        refusal(portal, sign(rsa, {"kid": "forged"}))
    assert len(portal.to("/jwks")) == 2


def test_idt_hs256_with_public_key(portal, rsa):
    publish(portal, rsa)
    head = encoded({"alg": "HS256", "kid": "rsa-1"}) + "." + sign(rsa).split(".")[1]
    mac = hmac.digest(rsa.as_pem(private=False), head.encode(), "sha256")
    assert refusal(portal, f"{head}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}").reason == "algorithm"


@pytest.mark.parametrize(
    ("fhir_user", "url", "patient"),
    [
        ("Patient/7", f"{BASE}/Patient/7", "7"),
        (f"{BASE}/Patient/7", f"{BASE}/Patient/7", "7"),
        ("https://evil.example.com/fhir/Patient/7", "https://evil.example.com/fhir/Patient/7", None),
        (f"{BASE}.evil.example.com/Patient/7", f"{BASE}.evil.example.com/Patient/7", None),
        ("Practitioner/7", f"{BASE}/Practitioner/7", None),
        ("Patient/7/_history/1", f"{BASE}/Patient/7/_history/1", None),
        (None, None, None),
        (7, None, None),
    ],
)
def test_idt_fhiruser_relative(portal, rsa, fhir_user, url, patient):
    publish(portal, rsa)
    found = validate(portal, sign(rsa, fhirUser=fhir_user))
    assert (found.fhir_user, found.patient_id(BASE)) == (url, patient)
    assert {request.path for request in portal.requests} == {"/jwks"}


@pytest.mark.parametrize("answer", [Answer(503), Answer(404), HTML, Answer(json={"keys": "none"})])
def test_idt_keys_not_to_be_had(portal, rsa, answer):
    portal.on("/jwks", answer)
    with pytest.raises(PortalUnavailable):
        validate(portal, sign(rsa))


def test_idt_broken_keys_are_passed_over(portal, rsa):
    broken = {"kty": "RSA", "kid": "rsa-1", "n": "AA"}
    portal.on("/jwks", Answer(json={"keys": [broken, 7, {"kty": "OKP"}]}))
    assert refusal(portal, sign(rsa)).reason in ("key_unknown", "signature")


def test_idt_without_an_issuer_or_keys_proves_nothing(portal, rsa):
    assert validate(portal, sign(rsa), issuer=None) is None
    assert validate(portal, sign(rsa), jwks_uri=None) is None
