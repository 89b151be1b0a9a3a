"""`manage.py` for portals: keys, probes, preflight, registration."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from connect.audit.actions import SYSTEM
from portals import keys
from portals.models import Registration, SigningKey
from tests.portals.engine.world import now_of
from tests.portals.portal_double import Answer


def run(capsys, *arguments) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_jwks_published_rotation_overlaps(db, client, capsys, time_machine):
    """A key is published before it signs, and as long as anything it signed may be on its way."""
    time_machine.move_to("2026-04-25T12:00:00Z", tick=False)
    start = timezone.now()
    (first,) = {line.split()[1] for line in run(capsys, "signing_keys", "rotate").splitlines() if "ES384" in line}
    run(capsys, "signing_keys", "rotate")
    published = {key["kid"] for key in client.get("/.well-known/jwks.json").json()["keys"]}
    assert len(published) == 4
    assert keys.signing_key("ES384").kid == first.rstrip(":")
    time_machine.move_to(start + timedelta(hours=25), tick=False)
    assert keys.signing_key("ES384").kid != first.rstrip(":")
    assert first.rstrip(":") in str(client.get("/.well-known/jwks.json").json())
    time_machine.move_to(start + timedelta(hours=49), tick=False)
    answer = client.get("/.well-known/jwks.json")
    assert first.rstrip(":") not in str(answer.json())
    assert "max-age=3600" in answer["Cache-Control"]
    assert all(set(key) <= {"kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y"}
               for key in answer.json()["keys"])  # fmt: skip
    assert SigningKey.objects.count() == 4


def test_probe_tells_what_is_wrong(world, capsys):
    source = world.source()
    assert "available" in run(capsys, "probe", source.pk, "--environment", "sandbox")
    world.portal.document |= {"code_challenge_methods_supported": ["plain"]}
    assert "pkce_plain_only" in run(capsys, "probe", source.fhir_base_url, "--environment", "sandbox")
    with pytest.raises(CommandError, match="No such source"):
        run(capsys, "probe", "fhirsrc_none")


def test_preflight_fails_with_the_diagnosis(world, capsys):
    registration = world.registration(world.source())
    Registration.objects.update(created_at=timezone.now() - timedelta(days=9))
    world.portal.on("/fhir/metadata", Answer(json={"resourceType": "CapabilityStatement"}))
    world.portal.on("/token", Answer(401, json={"error": "invalid_client"}))
    with pytest.raises(CommandError):
        run(capsys, "preflight", world.source().pk, "--environment", "sandbox")
    assert f"{registration.pk}: client_refused" in capsys.readouterr().out


def test_register_keeps_what_the_portal_gave(world, capsys, monkeypatch):
    monkeypatch.setenv("REGISTRATION_TOKEN", "initial")
    source = world.source()
    with pytest.raises(CommandError, match="no registration endpoint"):
        run(capsys, "register", source.pk, "--environment", "sandbox")
    world.portal.document |= {"registration_endpoint": f"{world.portal.url}/register"}
    given = {"client_id": "c9", "client_secret": "s9", "client_secret_expires_at": 1893456000,
             "token_endpoint_auth_method": "client_secret_basic"}  # fmt: skip
    world.portal.on("/register", Answer(201, json=given))
    told = run(capsys, "register", source.pk, "--environment", "sandbox", "--method", "client_secret_basic")
    registration = Registration.objects.get()
    assert "c9" in told
    assert "s9" not in told
    assert (registration.client_id, registration.client_secret, registration.source) == ("c9", "s9", source)
    assert registration.secret_expires_at.year == 2030
    sent = world.portal.to("/register")[0]
    assert sent.headers["authorization"] == "Bearer initial"
    assert json.loads(sent.body)["redirect_uris"] == [f"http://testserver/oauth/callback/{registration.pk}"]


def test_register_refused_says_so(world, capsys):
    world.portal.document |= {"registration_endpoint": f"{world.portal.url}/register"}
    world.portal.on("/register", Answer(400, json={"error": "invalid_redirect_uri"}))
    with pytest.raises(CommandError, match="registration_refused"):
        run(capsys, "register", world.source().pk, "--environment", "sandbox")
    assert not Registration.objects.exists()


def test_a_move_is_announced_and_taken_back(world, capsys):
    connection, successor = world.connect(), world.source("West")
    old = connection.source
    sandbox = ("--environment", "sandbox")
    with pytest.raises(CommandError, match="with its offset"):
        run(capsys, "move_portal", old.pk, successor.pk, "--at", "2126-03-01", *sandbox)
    with pytest.raises(CommandError, match="another source"):
        run(capsys, "move_portal", old.pk, old.fhir_base_url, "--at", "2126-03-01T00:00Z", *sandbox)
    told = run(capsys, "move_portal", old.pk, successor.pk, "--at", "2126-03-01T00:00Z", *sandbox)
    assert "connections that end then: 1" in told
    assert now_of(connection).access_ends_at.year == 2126
    run(capsys, "move_portal", old.pk, "--stays", *sandbox)
    assert now_of(connection).access_ends_at is None


def test_endpoints_are_followed_once_they_are_known(world, capsys):
    source = world.source()
    with pytest.raises(CommandError, match="probe it first"):
        run(capsys, "follow_endpoints", source.pk, "--environment", "sandbox")
    world.connect()
    run(capsys, "probe", source.pk, "--environment", "sandbox")
    assert "connections that follow: 1" in run(capsys, "follow_endpoints", source.pk, "--environment", "sandbox")


def test_after_a_leak_the_new_keys_sign_at_once_and_nobody_can_use_the_old(db, capsys):
    keys.rotate(by=SYSTEM)
    keys.rotate(by=SYSTEM)
    run(capsys, "signing_keys", "rotate", "--leaked")
    published = {key["kid"] for key in keys.published_key_set()["keys"]}
    assert published == {keys.signing_key(algorithm).kid for algorithm in ("RS384", "ES384")}
