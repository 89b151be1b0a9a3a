"""Ten and more seeded faults of portals and registrations, and the one right diagnosis for each."""

import socket
from contextlib import closing
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.utils import timezone

from portals import actions, keys
from portals.models import Preflight, Registration, SigningKey, Source
from portals.preflight import run
from tests.factories import STAFF
from tests.portals.portal_double import HTML, Answer, PortalDouble

Status = Source.Status


@pytest.fixture
def ready(world, settings, key_pairs):
    """A portal and a registration with which nothing is wrong."""
    portal = world.portal
    portal.on("/fhir/metadata", Answer(json={"resourceType": "CapabilityStatement"}))
    portal.on("/token", Answer(400, json={"error": "invalid_grant"}))
    portal.on("/authorize", HTML)
    settings.BASE_URL = portal.url
    pair = key_pairs["RS384"]
    key = SigningKey(kid=pair.kid, algorithm="RS384", public_jwk=pair.public_jwk)
    key.private_jwk = pair.private_jwk
    key.save(force_insert=True)
    portal.on("/.well-known/jwks.json", Answer(json=keys.published_key_set()))
    registration = world.registration(world.source(), method="private_key_jwt")
    Registration.objects.update(created_at=timezone.now() - timedelta(days=30))
    registration.refresh_from_db()
    return world


def diagnosed(world) -> str:
    """What preflight says of the one registration there is."""
    found = actions.probe_portal(source=Source.objects.get(), by=STAFF)
    slugs = [each.slug for each in found.values() if each]
    assert len(slugs) <= 1
    return slugs[0] if slugs else ""


def redirect_with(error: str):
    def answer(request):
        back = parse_qs(request.query)["redirect_uri"][0]
        return Answer(302, headers={"Location": f"{back}?error={error}&state=x"})

    return answer


def test_nothing_wrong(ready):
    assert diagnosed(ready) == ""
    row = Preflight.objects.get()
    assert [check["check"] for check in row.checks] == [
        "discovery", "keys", "api", "client", "authorization", "renewal"
    ]  # fmt: skip
    assert all(check["ok"] for check in row.checks)
    assert timedelta(hours=19) < row.due_at - timezone.now()
    asked = parse_qs(ready.portal.to("/authorize")[0].query)
    assert asked["redirect_uri"] == [f"{ready.portal.url}/oauth/callback/{row.registration_id}"]
    assert asked["code_challenge_method"] == ["S256"]
    assert ready.portal.to("/token")[0].form["code"] == "preflight"


def portal_is_down(world):
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        port = nobody.getsockname()[1]
    Source.objects.update(fhir_base_url=f"http://127.0.0.1:{port}/fhir")


def tls_is_not_valid(world):
    Source.objects.update(fhir_base_url=world.portal.base.replace("http:", "https:"))


def discovery_is_a_login_page(world):
    world.portal.on("/fhir/.well-known/smart-configuration", HTML)
    world.portal.on("/fhir/metadata", HTML)


def pkce_plain_only(world):
    world.portal.document |= {"code_challenge_methods_supported": ["plain"]}


def endpoints_changed_host(world):
    connection = world.connect()
    pinned = dict.fromkeys(("authorization_endpoint", "token_endpoint"), "https://old.example.com/x")
    connection.amend(configuration=connection.configuration | pinned)


def key_set_cannot_be_read(world):
    world.portal.on("/.well-known/jwks.json", Answer(502))


def key_set_is_an_old_copy(world):
    world.portal.on("/.well-known/jwks.json", Answer(json={"keys": [{"kid": "older"}]}))


def key_was_registered_by_hand_and_has_since_been_rotated(world):
    Registration.objects.update(key_ids=["older"])


def secret_has_expired(world):
    Registration.objects.update(method="client_secret_basic", secret_expires_at=timezone.now())


def practice_has_not_switched_its_api_on(world):
    world.portal.on("/fhir/metadata", Answer(403, json={"issue": [{"diagnostics": "Tenant not valid"}]}))


def maintenance_page_stands_before_the_api(world):
    world.portal.on("/fhir/metadata", HTML)


def client_refused(world):
    world.portal.on("/token", Answer(401, json={"error": "invalid_client"}))


def client_refused_after_a_fresh_registration(world):
    client_refused(world)
    Registration.objects.update(created_at=timezone.now() - timedelta(hours=2))


def practice_has_not_enabled_our_app(world):
    world.portal.on("/authorize", redirect_with("unauthorized_client"))


def redirect_uri_is_another_one(world):
    world.portal.on("/authorize", Answer(400, body=b"<h1>Invalid redirect URI</h1>"))


def scopes_are_refused(world):
    world.portal.on("/authorize", redirect_with("invalid_scope"))


def public_client_that_never_gets_a_refresh_token(world):
    Registration.objects.update(method="public")
    world.connect(registration=Registration.objects.get(), refresh_token=None)


FAULTS = {
    portal_is_down: ("portal_down", Status.DEGRADED),
    tls_is_not_valid: ("tls", Status.DEGRADED),
    discovery_is_a_login_page: ("no_discovery", Status.DEGRADED),
    pkce_plain_only: ("pkce_plain_only", Status.UNAVAILABLE),
    endpoints_changed_host: ("endpoints_moved", Status.DEGRADED),
    key_set_cannot_be_read: ("keys_unreachable", Status.UNAVAILABLE),
    key_set_is_an_old_copy: ("keys_unreachable", Status.UNAVAILABLE),
    key_was_registered_by_hand_and_has_since_been_rotated: ("key_not_registered", Status.UNAVAILABLE),
    secret_has_expired: ("secret_expired", Status.UNAVAILABLE),
    practice_has_not_switched_its_api_on: ("api_switched_off", Status.UNAVAILABLE),
    maintenance_page_stands_before_the_api: ("api_not_fhir", Status.UNAVAILABLE),
    client_refused: ("client_refused", Status.UNAVAILABLE),
    client_refused_after_a_fresh_registration: ("client_not_yet_known", Status.UNAVAILABLE),
    practice_has_not_enabled_our_app: ("client_not_enabled", Status.UNAVAILABLE),
    redirect_uri_is_another_one: ("redirect_uri_refused", Status.UNAVAILABLE),
    scopes_are_refused: ("scope_refused", Status.UNAVAILABLE),
    public_client_that_never_gets_a_refresh_token: ("never_renewable", Status.DEGRADED),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_seeded_fault_has_its_one_diagnosis(ready, fault):
    """(What fails at discovery only degrades a source the first time it is seen.)"""
    fault(ready)
    slug, status = FAULTS[fault]
    assert diagnosed(ready) == slug
    source = Source.objects.get()
    assert source.status == status
    assert source.status_reason


def test_a_mended_fault_frees_the_source(ready):
    client_refused(ready)
    assert diagnosed(ready) == "client_refused"
    ready.portal.on("/token", Answer(400, json={"error": "invalid_grant"}))
    assert diagnosed(ready) == ""
    assert Source.objects.get().status == Status.AVAILABLE


def test_a_healthy_probe_does_not_hide_what_preflight_found(ready):
    client_refused(ready)
    diagnosed(ready)
    source = Source.objects.get()
    actions.probing.probe(source)
    assert Source.objects.get().status == Status.UNAVAILABLE


def test_what_is_wrong_with_an_organisations_own_app_is_not_the_portals(ready, organization):
    Registration.objects.update(organization=organization)
    client_refused(ready)
    assert diagnosed(ready) == "client_refused"
    assert Source.objects.get().status == Status.AVAILABLE


def test_nightly_every_registration_is_checked_at_every_source_it_serves(ready):
    Registration.objects.update(source=None, vendor="epic")
    Source.objects.update(vendor="epic")
    with PortalDouble() as other:
        ready.source("Second", other, vendor="epic")
        ready.source("Foreign", other, vendor="cerner")
        assert run.plan_missing() == 2
        assert run.plan_missing() == 0
        Preflight.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        assert run.preflight_due() is True
        assert run.preflight_due() is False
    assert dict(Preflight.objects.values_list("source__name", "diagnosis")) == {"Mercy": "", "Second": "no_discovery"}


def test_a_sources_own_app_is_the_one_that_is_checked_there(ready):
    vendor_app = ready.registration(ready.source("Other"), vendor="epic")
    Registration.objects.filter(pk=vendor_app.pk).update(source=None)
    Source.objects.update(vendor="epic")
    run.plan_missing()
    checked = Preflight.objects.values_list("source__name", "registration_id")
    own = Registration.objects.exclude(source=None).get()
    assert set(checked) == {("Mercy", own.pk), ("Other", vendor_app.pk)}


def test_no_secret_of_ours_and_no_word_of_the_portals_is_in_the_ledger(ready):
    ready.portal.on("/token", Answer(401, json={"error": "invalid_client", "error_description": "<b>canary</b>"}))
    diagnosed(ready)
    assert "canary" not in str(Preflight.objects.values())
    assert "canary" not in str(Source.objects.values("status_reason"))


def test_first_checks_come_at_a_pace_the_portals_and_we_can_bear(ready):
    for number in range(20):
        ready.source(f"Clinic {number}", vendor="epic")
    Registration.objects.update(source=None, vendor="epic")
    run.plan_missing()
    waits = sorted(row.due_at - timezone.now() for row in Preflight.objects.all())
    assert timedelta(0) < waits[-1] <= run.PACE * 20
    assert waits[-1] > run.PACE * 5


def test_a_source_that_is_not_to_be_looked_at_is_not_checked(ready):
    Source.objects.update(probe_due_at=timezone.now() + timedelta(days=365))
    assert run.plan_missing() == 0
