"""A whole small world of one tenant: patient, flow, attempt, connection, pull, record, endpoint and event, each made by the
code that makes it in production. Portals are never called: what they would have said is handed in."""

import json
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from connect import ids
from connect.audit.actions import SYSTEM
from connect.audit.chain import chain_all
from connect.crypto import token_hash
from connect.organizations.models import ApiKey, Organization, Patient, Tenant
from patientflows.actions import finish_flow, open_flow
from patientflows.models import Attempt, PatientFlow
from patientflows.returning import attach
from portals.models import Connection, Registration, Source
from portals.smart.tokens import TokenResponse
from pulls import claims, settle, store
from pulls.exports.actions import create_destination
from pulls.exports.models import Destination, Export
from pulls.exports.run import run_export
from pulls.fhir.pages import read_page
from pulls.models import Page, Pull, Record, Search
from tests.factories import ApiClient, make_endpoint, make_key
from webhooks.models import Endpoint, Event
from webhooks.sequence import number_new_events

OBSERVATION = {"resourceType": "Observation", "id": "o1", "status": "final", "valueQuantity": {"value": 7.10}}


@dataclass
class World:
    """The rows of one tenant, and a client with a key of every scope."""

    tenant: Tenant
    api: ApiClient
    patient: Patient
    flow: PatientFlow
    attempt: Attempt
    connection: Connection
    pull: Pull
    record: Record
    endpoint: Endpoint
    event: Event
    export: Export
    destination: Destination


def make_world(organization: Organization, environment: str = "sandbox", patient_id: str = "p-1") -> World:
    """Everything a tenant can have one of, settled: nothing is due, nothing is wrong."""
    tenant = Tenant(organization.pk, environment)
    api = ApiClient(make_key(organization, environment))
    endpoint = make_endpoint(tenant, "https://app.example.org/hooks")
    source, registration = _portal(environment)
    key = ApiKey.objects.filter(organization=organization, environment=environment).first()
    flow = open_flow(
        caller=key, by=SYSTEM, patient_id=patient_id, patient_name="Ada Lovelace", return_url="https://app.example.org/"
    )
    attempt = _attempt(flow, source, registration)
    attach(attempt, TokenResponse("access-token", 3600, "patient/*.rs", refresh_token="refresh-token", patient="f1"))
    finish_flow(flow=flow)
    pull = _pulled(Connection.objects.get(patient=flow.patient, source=source))
    number_new_events()
    chain_all()
    event = Event.objects.filter(endpoint=endpoint).order_by("pk").first()
    return World(
        tenant, api, flow.patient, flow, attempt, pull.connection, pull, Record.objects.get(pull_id=pull.pk), endpoint,
        event, *_exported(tenant),
    )  # fmt: skip


def _exported(tenant: Tenant) -> tuple[Export, Destination]:
    destination = create_destination(
        tenant=tenant, name="Lake", kind="folder", settings={"folder": "lake"}, credentials={}, by=SYSTEM
    )
    export = Export.objects.get(destination=destination)
    run_export(export.pk)
    export.refresh_from_db()
    return export, destination


def _portal(environment: str) -> tuple[Source, Registration]:
    base = f"https://{secrets.token_hex(4)}.example.org/r4"
    source = Source.objects.create(
        id=ids.source_id(environment, base), environment=environment, fhir_base_url=base, name="Mercy", vendor="epic"
    )
    return source, Registration.objects.create(environment=environment, source=source, client_id="app")


def _attempt(flow: PatientFlow, source: Source, registration: Registration) -> Attempt:
    base = source.fhir_base_url
    attempt = Attempt(
        flow=flow, source=source, registration=registration, state_hash=token_hash(secrets.token_hex()),
        browser_hash=token_hash("browser"), expires_at=timezone.now() + timedelta(hours=1), scope="patient/*.rs",
        configuration={"fhir_base_url": base, "token_endpoint": f"{base}/token", "authorization_endpoint": f"{base}/a"},
    )  # fmt: skip
    attempt.verifier = "verifier"
    attempt.save()
    return attempt


def _pulled(connection: Connection) -> Pull:
    """The connection's first pull, claimed, fed with one page and settled."""
    pull = claims.claim(Pull.objects.get(connection=connection).pk)
    search = Search.objects.create(pull=pull, resource_type="Observation", order=1, query="Observation")
    page = read_page(json.dumps({"resourceType": "Bundle", "entry": [{"resource": OBSERVATION}]}).encode())
    search.status, search.pages, search.fetched = Search.Status.DONE, 1, 1
    row = Page(
        search=search, number=1, url_hash=store.url_hash("https://x"), keys=store.keys_of(page.entries), entries=1
    )
    store.Store(pull).keep([store.Arrived(page.entries, [], search=search, page=row)])
    settle.settle(pull)
    return Pull.objects.select_related("connection").get(pk=pull.pk)
