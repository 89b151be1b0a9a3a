"""A pull's surroundings: sandbox portals in a process of their own, scripted portals, connections, and a worker."""

from dataclasses import replace

import pytest

from connect import ids, outbound
from connect.organizations.models import Environment, Patient
from portals.connections import grant
from portals.models import Registration, Source
from portals.smart.tokens import TokenResponse
from pulls import calls
from pulls.actions import queue_pull
from pulls.models import Pull
from pulls.run import run_pull
from tests.pulls import visitor
from tests.pulls.sandbox_server import Sandbox
from tests.pulls.scripted import ScriptedPortal

SCOPES = "launch/patient offline_access patient/*.rs"


@pytest.fixture(autouse=True)
def loopback_allowed(settings, monkeypatch):
    settings.OUTBOUND_ALLOW_INSECURE_HTTP = True
    settings.OUTBOUND_ALLOW_PRIVATE = True
    monkeypatch.setattr("pulls.run.BACKOFF_SECONDS", 0.01)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    """The demo's portals and patients."""
    running = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield running
    running.stop()


@pytest.fixture
def portal():
    """A portal that does what it is told."""
    with ScriptedPortal() as double:
        yield double


@pytest.fixture
def patient(tenant):
    return make_patient(tenant)


def make_patient(tenant, patient_id: str = "p-1") -> Patient:
    return Patient.objects.create(
        organization_id=tenant.organization_id, environment=tenant.environment, patient_id=patient_id
    )


def make_source(base: str, **more) -> Source:
    """A catalogue entry, and our app there."""
    source, _ = Source.objects.get_or_create(
        id=ids.source_id(Environment.SANDBOX, base), environment=Environment.SANDBOX, fhir_base_url=base,
        defaults={"name": "Valley Health", **more},
    )  # fmt: skip
    if not source.registrations.exists():
        app = Registration(
            environment=Environment.SANDBOX, source=source, client_id=visitor.CLIENT_ID,
            method=Registration.Method.CLIENT_SECRET_BASIC,
        )  # fmt: skip
        app.client_secret = visitor.CLIENT_SECRET
        app.save()
    return source


def connect(patient: Patient, source: Source, tokens: TokenResponse, configuration: dict, scopes: str = SCOPES):
    """An active connection, made the way the callback makes it."""
    connection, _ = grant(
        patient=patient, source=source, registration=source.registrations.get(), tokens=tokens,
        configuration=configuration, scopes_asked=scopes, patient_flow_id=None,
    )  # fmt: skip
    return connection


@pytest.fixture
def connected(patient, portal):
    """A factory: a connection to the scripted portal, whose patient is `pat-1` there."""

    def connected(*, scopes: str = SCOPES, patient=patient, fhir_patient: str = "pat-1", portal=portal, **source):
        tokens = TokenResponse("at-1", 3600, scopes, "rt-1", patient=fhir_patient)
        return connect(patient, make_source(portal.base, **source), tokens, portal.configuration, scopes)

    return connected


@pytest.fixture
def at_sandbox(sandbox, patient):
    """A factory: a connection to a variant of the sandbox, whose patient has said yes."""

    def at_sandbox(
        slug: str = "plain", *, patient=patient, sandbox=sandbox, vendor: str | None = None, username: str = "patient",
        patient_there: str = "",
    ):  # fmt: skip
        base = sandbox.fhir(slug)
        tokens, configuration = visitor.say_yes(base, username=username, patient=patient_there)
        return connect(patient, make_source(base, vendor=vendor), tokens, configuration)

    return at_sandbox


@pytest.fixture
def pull():
    """A factory: pull a connection now, as a worker does, and answer the pull as it stands afterwards."""

    def pull(connection, trigger: str = Pull.Trigger.MANUAL) -> Pull:
        made = queue_pull(connection=connection, trigger=trigger)
        run_pull(made.pk)
        return Pull.objects.get(pk=made.pk)

    return pull


@pytest.fixture
def receiver():
    """An address for a webhook endpoint; its events are looked at where they are queued."""
    return "https://integrator.example.org/events"


@pytest.fixture
def limited(monkeypatch):
    """A factory: have every call to a portal obey other limits, such as `total_seconds=0.3`."""

    def limited(**limits) -> None:
        get = calls.get
        monkeypatch.setattr(
            calls, "get", lambda *asked, policy=outbound.PORTAL, **more: get(
                *asked, policy=replace(policy, **limits), **more)
        )  # fmt: skip

    return limited
