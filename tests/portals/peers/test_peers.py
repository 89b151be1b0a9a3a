"""Whole journeys against authorisation and FHIR servers that other people wrote (table in docs/portals.md)."""

import json

import pytest
from django.utils import timezone

from connect import outbound
from connect.organizations.models import Patient
from patientflows.actions import open_flow
from patientflows.leaving import leave_for_portal
from patientflows.models import Attempt, PatientFlow
from patientflows.returning import come_back, find_attempt
from portals import actions, discovery, revoke
from portals.access import access_token, fresh_access_token
from portals.models import Connection, Registration, Revocation, SigningKey, Source
from portals.refresh import refresh_connection
from portals.smart import authorization, tokens
from portals.smart.errors import GrantRefused, PortalUnavailable, SmartError
from pulls.models import Pull, Record
from pulls.run import run_pull
from tests.factories import STAFF
from tests.portals.peers import stands
from tests.portals.peers.browser import come_back_from
from webhooks.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(180)]
BACK = "http://127.0.0.1:9000/cb"
PATIENT_355 = "inferno-us-core/uscore_bundle_patient_355.json"


def source_at(base: str, tenant, **more) -> Source:
    return Source.objects.create(
        id="fhirsrc_peer", environment=tenant.environment, fhir_base_url=base, name="Peer", **more
    )


def registered(source: Source, client_id: str, method: str, **more) -> Registration:
    registration = Registration(
        environment=source.environment, source=source, client_id=client_id, method=method, redirect_uri=BACK, **more
    )
    registration.client_secret = "s3cret" if method.startswith("client_secret") else None
    registration.save(force_insert=True)
    return registration


def connected(tenant, source: Source, registration: Registration) -> Attempt:
    """From the link to the callback, as the hosted pages do it; the attempt afterwards."""
    flow = open_flow(
        caller=tenant, by=STAFF, patient_id=f"p-{registration.client_id}", return_url="https://app.example/"
    )
    flow = PatientFlow.objects.select_related("patient", "organization").get(pk=flow.pk)
    url = leave_for_portal(flow=flow, source=source, browser_secret="browser")
    query = come_back_from(url)
    attempt = find_attempt(registration_id=registration.pk, state=authorization.callback_state(query))
    return come_back(attempt=attempt, query_string=query, same_browser=True)


def refreshed(connection: Connection) -> Connection:
    Connection.objects.filter(pk=connection.pk).update(refresh_due_at=timezone.now())
    assert refresh_connection(connection.pk) is True
    return Connection.objects.get(pk=connection.pk)


def reads_patient(connection: Connection, token: str) -> int:
    source = Source.objects.get(pk=connection.source_id)
    answer = outbound.request(
        "GET", f"{source.fhir_base_url}/Patient/{connection.fhir_patient_id}", policy=outbound.PORTAL,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"},
    )  # fmt: skip
    return answer.status


def test_django_oauth_toolkit_from_the_link_to_the_last_record(home, run, tenant, told):
    """Basic authentication, `iss` in the callback, rotation; then sekmet-fhir's whole record through its gate; an old
    access token, family revocation, the end."""
    bundle = stands.DATA / PATIENT_355
    with stands.fhir_server(home, run, bundle), stands.django_oauth_toolkit(home, run, AT_TTL="600") as base:
        source = source_at(base, tenant)
        attempt = connected(tenant, source, registered(source, "our-client", "client_secret_basic"))
        assert attempt.status == Attempt.Status.CONNECTED, attempt.failure_code
        connection = attempt.connection
        assert (connection.fhir_patient_id, connection.renewable) == ("355", True)
        assert reads_patient(connection, access_token(connection.pk).token) == 200

        run_pull(Pull.objects.get(connection=connection).pk)
        pull = Pull.objects.get(connection=connection)
        assert pull.status == Pull.Status.COMPLETED, pull.status
        for kind in ("Observation", "Condition", "Immunization"):
            kept = Record.objects.filter(connection=connection, resource_type=kind).count()
            assert kept == stands.search_total(kind, "355") > 0

        first = connection.refresh_token
        row = refreshed(connection)
        assert row.refresh_token != first
        assert row.previous_refresh_token == first
        assert reads_patient(row, access_token(row.pk).token) == 200

        configuration = discovery.configuration_of(source)
        ours = actions.registrations.credentials(row.registration)
        with pytest.raises(GrantRefused):  # somebody replays the old token: the portal kills the family
            tokens.refresh(token_endpoint=configuration.token_endpoint, credentials=ours, refresh_token=first)
        for _ in range(2):
            Connection.objects.filter(pk=row.pk).update(refresh_due_at=timezone.now())
            with pytest.raises(SmartError):
                refresh_connection(row.pk)
        row.refresh_from_db()
        assert (row.status, row.refresh_token) == ("refresh_failed", None)
        assert Event.objects.filter(type="connection.token_refresh_failed").count() == 1

        again = connected(tenant, source, row.registration)
        assert again.connection_id == row.pk
        actions.disconnect(connection=Connection.objects.get(pk=row.pk), by=STAFF)
        revoke.revoke_due()
        assert set(Revocation.objects.values_list("last_error", flat=True)) == {""}


METHODS = {"our-public": "public", "our-client": "client_secret_basic", "our-jwt": "private_key_jwt"}


@pytest.mark.parametrize("client_id", METHODS)
def test_oidc_provider_each_kind_of_client(home, run, tenant, told, key_pairs, client_id):
    """ID token with nonce and `iss`, private_key_jwt in ES384, rotation. It gives a refresh token only to who sends
    `prompt=consent`: a source's setting."""
    pair = key_pairs["ES384"]
    key = SigningKey(kid=pair.kid, algorithm="ES384", public_jwk=pair.public_jwk)
    key.private_jwk = pair.private_jwk
    key.save(force_insert=True)
    with stands.oidc_provider(home, run, JWKS=json.dumps({"keys": [pair.public_jwk]}), AT_TTL="600") as base:
        source = source_at(base, tenant, overrides={"authorization_parameters": {"prompt": "consent"}})
        registration = registered(source, client_id, METHODS[client_id], algorithm="ES384")
        attempt = connected(tenant, source, registration)
        assert attempt.status == Attempt.Status.CONNECTED, (attempt.failure_code, attempt.failure_hint)
        connection = attempt.connection
        assert connection.renewable is True
        first = Connection.objects.get(pk=connection.pk).refresh_token
        row = refreshed(connection)
        fresh = fresh_access_token(row.pk, rejected_version=row.token_version)
        assert fresh.version == row.token_version + 1
        assert Connection.objects.get(pk=row.pk).refresh_token != first
        actions.disconnect(connection=Connection.objects.get(pk=row.pk), by=STAFF)
        revoke.revoke_due()
        assert set(Revocation.objects.values_list("last_error", flat=True)) == {""}


def test_oidc_provider_without_prompt_gives_access_that_ends(home, run, tenant, told):
    with stands.oidc_provider(home, run, AT_TTL="600") as base:
        source = source_at(base, tenant)
        attempt = connected(tenant, source, registered(source, "our-public", "public"))
        row = Connection.objects.get(pk=attempt.connection_id)
        assert (row.renewable, row.access_ends_at) == (False, row.access_expires_at)
        assert "offline_access" in row.scopes_missing


def test_oauth2_mock_server_says_503_then_invalid_grant(home, run, tenant, told, db):
    with stands.oauth_mock(home, run) as endpoint:
        source = source_at("http://127.0.0.1:8089/fhir", tenant)
        patient = Patient.objects.create(
            organization_id=tenant.organization_id, environment=tenant.environment, patient_id="p"
        )
        connection = Connection(
            organization_id=tenant.organization_id, environment=tenant.environment, patient=patient, source=source,
            registration=registered(source, "our-client", "client_secret_basic"), fhir_patient_id="355",
            configuration={"token_endpoint": endpoint}, refresh_due_at=timezone.now(), renewable=True,
        )  # fmt: skip
        connection.refresh_token = "anything"
        connection.save(force_insert=True)
        with pytest.raises(PortalUnavailable):
            refresh_connection(connection.pk)
        connection.refresh_from_db()
        assert (connection.status, connection.refresh_failures) == ("active", 1)
        Connection.objects.update(refresh_due_at=timezone.now())
        with pytest.raises(GrantRefused):
            refresh_connection(connection.pk)
        connection.refresh_from_db()
        assert connection.status == "refresh_failed"
