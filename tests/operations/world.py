"""Rows of every kind for one organisation, made the way the product makes them, and members of staff by role."""

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from connect import ids
from connect.operations import roles
from connect.operations.models import Alert
from connect.organizations.actions import make_key
from connect.organizations.models import SCOPES, ApiKey, Environment, Membership, Organization, Tenant
from patientflows.actions import open_flow
from patientflows.models import Attempt, PatientFlow, Step
from patientflows.timeline import note
from portals.connections import grant
from portals.keys import rotate
from portals.models import (
    Circuit,
    Connection,
    Directory,
    DirectoryUpdate,
    Listing,
    MissingPortal,
    Registration,
    Revocation,
    Source,
)
from portals.smart.tokens import TokenResponse
from pulls.actions import queue_pull
from pulls.claims import claim
from pulls.exports.actions import create_destination
from pulls.exports.models import Destination
from pulls.models import Exchange, Pull, Record, Search
from pulls.records import data_key, seal_body
from pulls.settle import settle
from tests.factories import STAFF, make_endpoint, make_organization
from webhooks.models import Delivery, Endpoint, Event

BODY = b'{"resourceType":"Observation","id":"bp-1","status":"final","valueQuantity":{"value":120.50}}'
REFUSED = {"url": "/Condition?patient=abc", "verdict": "refused", "status": 403, "reason": "http_403", "elapsed_ms": 12}
BASE_URL = "https://fhir.portal-{}.example/r4"
_numbers = count(1)


@dataclass
class World:
    """One organisation with something of everything."""

    organization: Organization
    source: Source
    registration: Registration
    key: ApiKey
    secret: str
    flow: PatientFlow
    attempt: Attempt
    connection: Connection
    pull: Pull
    record: Record
    endpoint: Endpoint
    event: Event
    delivery: Delivery
    alert: Alert
    destination: Destination

    @property
    def patient(self):
        return self.connection.patient

    def rows(self) -> dict:
        """Every kind of row that belongs to the organisation, by its admin page."""
        return {
            "organizations.organization": self.organization, "organizations.apikey": self.key,
            "organizations.patient": self.patient, "patientflows.patientflow": self.flow,
            "patientflows.attempt": self.attempt, "portals.connection": self.connection, "pulls.pull": self.pull,
            "pulls.record": self.record, "webhooks.endpoint": self.endpoint, "webhooks.event": self.event,
            "webhooks.delivery": self.delivery, "portals.registration": self.registration, "operations.alert": self.alert,
            "exports.destination": self.destination, "exports.export": self.destination.exports.get(),
            "portals.revocation": Revocation.objects.get(connection_id=self.connection.pk),
            "portals.missingportal": MissingPortal.objects.get(organization=self.organization),
        }  # fmt: skip


def make_source(**more) -> Source:
    number = next(_numbers)
    url = BASE_URL.format(number)
    columns = {"environment": Environment.SANDBOX, "name": f"Portal {number}", "vendor": "epic"} | more
    source = Source.objects.create(id=ids.source_id(columns["environment"], url), fhir_base_url=url, **columns)
    Listing.objects.create(source=source, name=f"Clinic {number}", city="Dayton", state="OH", directory="epic")
    return source


def make_world(name: str = "Trials Inc", *, patient_id: str = "p-1") -> World:
    organization = make_organization(name)
    tenant = Tenant(organization.pk, Environment.SANDBOX)
    key, secret = make_key(
        organization=organization, environment=tenant.environment, name="backend", scopes=list(SCOPES), by=STAFF
    )
    endpoint = make_endpoint(tenant, "https://app.example/hooks")
    source = make_source()
    registration = Registration(
        environment=tenant.environment, source=source, organization=organization, client_id="connect"
    )
    registration.save()
    flow = open_flow(
        caller=key, by=STAFF, patient_id=patient_id, return_url="https://app.example/back",
        patient_email=f"{patient_id}@patients.example", patient_name="Ada Byron",
    )  # fmt: skip
    connection, attempt = connect(flow, source, registration)
    MissingPortal.objects.create(environment=tenant.environment, organization=organization, name="St Nowhere")
    pull, record = pulled(connection)
    event = Event.objects.filter(endpoint=endpoint).order_by("-pk").first()
    delivery = Delivery.objects.create(event=event, number=1, status_code=500, error="http_500", duration_ms=31)
    alert = Alert.objects.create(
        rule="endpoint_disabled", subject=endpoint.pk, text="A webhook endpoint was disabled",
        organization_id=organization.pk, environment=tenant.environment,
    )  # fmt: skip
    destination = create_destination(
        tenant=tenant, name="Lake", kind="folder", settings={"folder": "lake"}, credentials={}, by=STAFF
    )
    return World(
        organization, source, registration, key, secret, flow, attempt, connection, pull, record, endpoint, event,
        delivery, alert, destination,
    )  # fmt: skip


def shared_rows() -> dict:
    """What belongs to the installation: kinds of rows that every role may see."""
    source = make_source(name="Shared")
    circuit = Circuit.objects.create(
        key=source.pk, failures=5, reason="timeout", open_until=timezone.now() + timedelta(minutes=5)
    )
    directory = Directory.objects.create(environment=Environment.SANDBOX, name="epic", url="https://lists.example/epic")
    asked = DirectoryUpdate.objects.create(directory=directory, actor_kind="staff", status="compared")
    return {
        "portals.directoryupdate": asked,
        "portals.source": source, "portals.listing": source.listings.get(), "portals.circuit": circuit,
        "portals.directory": directory, "portals.signingkey": rotate(by=STAFF)[0],
    }  # fmt: skip


def connect(flow: PatientFlow, source: Source, registration: Registration) -> tuple[Connection, Attempt]:
    """A patient left, came back, and the portal said yes."""
    attempt = Attempt.objects.create(
        flow=flow, source=source, registration=registration, state_hash=ids.new_id("state"), browser_hash="b",
        scope="patient/*.rs", expires_at=timezone.now() + timedelta(hours=1),
    )  # fmt: skip
    flow.note_opening()
    for kind in (Step.Kind.LINK_OPENED, Step.Kind.SEARCHED):
        note(flow, kind)
    for kind in (Step.Kind.SOURCE_CHOSEN, Step.Kind.SENT_TO_PORTAL, Step.Kind.CAME_BACK, Step.Kind.CONNECTED):
        note(flow, kind, attempt=attempt)
    tokens = TokenResponse(
        access_token="secret-access-token", refresh_token="secret-refresh-token", expires_in_seconds=3600,
        scope="patient/Observation.rs patient/Patient.rs", patient="fhir-1",
    )  # fmt: skip
    connection, reconnected = grant(
        patient=flow.patient, source=source, registration=registration, tokens=tokens, scopes_asked=attempt.scope,
        patient_flow_id=flow.pk, configuration={"fhir_base_url": source.fhir_base_url},
    )  # fmt: skip
    attempt.connect(connection, reconnected=reconnected)
    Revocation.objects.create(
        source=source, registration=registration, connection_id=connection.pk, endpoint="https://portal.example/revoke",
        token_endpoint="https://portal.example/token",
    )  # fmt: skip
    return connection, attempt


def pulled(connection: Connection) -> tuple[Pull, Record]:
    """A pull that brought one Observation and was refused the Conditions."""
    pull = claim(queue_pull(connection=connection, trigger=Pull.Trigger.CONNECTED).pk)
    Search.objects.create(pull=pull, order=0, resource_type="Observation", status="done", pages=1, fetched=1, stored=1)
    Search.objects.create(pull=pull, order=1, resource_type="Condition", status="refused", error="http_403")
    name = {"connection_id": connection.pk, "resource_type": "Observation", "resource_id": "bp-1"}
    record = Record.objects.create(
        patient=connection.patient, source_id=connection.source_id, position=1, digest=b"d" * 32, pull_id=pull.pk,
        body=seal_body(data_key(connection.patient), BODY, **name), size=len(BODY), **name,
    )  # fmt: skip
    settle(pull)
    exchange = Exchange(pull=pull, calls=1)
    exchange.told = json.dumps({"calls": [REFUSED]})
    exchange.replace()
    pull.refresh_from_db()
    return pull, record


def make_staff(role: str | None, *organizations: Organization, everywhere: bool = False) -> User:
    """A member of staff with a role, for these organisations or for all."""
    if not Group.objects.exists():
        roles.install()
    user = User.objects.create_user(f"staff-{next(_numbers)}", password="a long enough password", is_staff=True)
    groups = [name for name, wanted in ((role, role), ("everywhere", everywhere)) if wanted]
    user.groups.set(Group.objects.filter(name__in=groups))
    Membership.objects.bulk_create(Membership(user=user, organization=each) for each in organizations)
    return User.objects.get(pk=user.pk)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
