"""What is killed: each kind of work on rows of its own, how another worker goes on, and what must be so in the end."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from connect.audit.actions import SYSTEM
from connect.organizations.models import ApiKey, IdempotentAnswer, Tenant
from patientflows import browsers
from patientflows.actions import open_flow
from patientflows.expire import expire_due
from patientflows.models import Attempt, PatientFlow
from portals.models import Connection
from portals.smart.tokens import TokenResponse
from pulls.actions import queue_pull
from pulls.exports.actions import create_destination
from pulls.exports.models import Destination, Export
from pulls.models import Pull, Record
from pulls.run import run_pull
from tests.faults.portal import Portal
from tests.journeys.receiver import Receiver
from tests.pulls.conftest import SCOPES, connect, make_patient, make_source
from tests.pulls.exports.conftest import read_lines
from webhooks.actions import emit
from webhooks.models import Delivery, Event

PAST = timedelta(days=1)
RETURN_URL = "https://app.example.org/back"


@dataclass
class World:
    """A tenant, a strict portal in this process, and a receiver."""

    tenant: Tenant
    portal: Portal
    receiver: Receiver
    secret: str
    numbers: count = field(default_factory=lambda: count(1))

    def patient(self):
        return make_patient(self.tenant, f"k-{next(self.numbers)}")

    def connection(self, *, is_due: bool = False) -> Connection:
        """A fresh grant at the portal; `is_due`: for a refresh."""
        patient = self.patient()
        code = f"code-{patient.patient_id}"
        self.portal.codes[code] = patient.patient_id
        _, told = self.portal.token({"grant_type": "authorization_code", "code": code})
        tokens = TokenResponse(
            told["access_token"], told["expires_in"], SCOPES, told["refresh_token"], patient=patient.patient_id
        )
        where = {"authorization_endpoint": f"{self.portal.url}/authorize", "token_endpoint": f"{self.portal.url}/token"}
        made = connect(patient, make_source(self.portal.fhir), tokens, where)
        if is_due:
            Connection.objects.filter(pk=made.pk).update(refresh_due_at=timezone.now() - PAST)
        return made


class Job(ABC):
    """One kind of work: rows to do it on, how another worker goes on, and what must be so in the end."""

    job, name = "", ""
    # What may come of it, beside "goes on".
    costs: frozenset[str] = frozenset()

    def __init__(self, world: World):
        self.world = world

    @abstractmethod
    def new(self) -> dict:
        """Rows of their own; what the worker is told."""

    @abstractmethod
    def is_open(self, what: dict) -> bool:
        """Whether something is left to do; brings the end of the lease, and the next try, to now."""

    @abstractmethod
    def look(self, what: dict) -> str:
        """Asserts that nothing is lost and nothing twice; the outcome in a word."""


class Refresh(Job):
    job = "refresh"
    name = "a token refresh at a strict portal"
    costs = frozenset({"patient reconnects"})

    def new(self) -> dict:
        return {"connection_id": self.world.connection(is_due=True).pk}

    def is_open(self, what):
        rows = Connection.objects.filter(pk=what["connection_id"], status="active")
        is_open = rows.exclude(refresh_state="idle", token_version__gt=1)
        return is_open.update(leased_until=None, refresh_due_at=timezone.now() - PAST) > 0

    def look(self, what):
        row = Connection.objects.get(pk=what["connection_id"])
        told = Event.objects.filter(type="connection.token_refresh_failed", data__object__id=row.pk).count()
        if row.status == "active":
            assert (told, row.refresh_state, row.leased_until) == (0, "idle", None)
            assert row.access_token in self.world.portal.access
            assert row.refresh_token in self.world.portal.refresh, "the portal knows another one by now"
            return "goes on"
        assert (row.status, row.failure_code, told) == ("refresh_failed", "refresh_rejected", 1)
        assert row.access_token is None
        assert row.refresh_token is None
        return "patient reconnects"


class RefreshWithGrace(Refresh):
    """At a portal that takes the replaced token once more while the new one was never used."""

    name = "a token refresh at a portal with grace"
    costs: frozenset[str] = frozenset()

    def __init__(self, world):
        super().__init__(world)
        world.portal.has_grace = True


class PullRecords(Job):
    job = "pull"
    name = "a pull"

    def new(self) -> dict:
        pull = queue_pull(connection=self.world.connection(), trigger=Pull.Trigger.MANUAL)
        return {"pull_id": pull.pk}

    def is_open(self, what):
        rows = Pull.objects.filter(pk=what["pull_id"], status__in=Pull.OPEN)
        return rows.update(leased_until=None, due_at=timezone.now() - PAST) > 0

    def look(self, what):
        pull = Pull.objects.get(pk=what["pull_id"])
        assert (pull.status, pull.errors, pull.leased_until) == ("completed", 0, None)
        held = Record.objects.filter(patient=pull.patient)
        names = {f"{kind}/{id_}" for kind, id_ in held.values_list("resource_type", "resource_id")}
        # The portal knows no Patient by id: what it refuses is in the manifest.
        assert names == set(self.world.portal.holdings(pull.patient.patient_id))
        positions = sorted(held.values_list("position", flat=True))
        assert positions == list(range(1, len(names) + 1))
        assert Event.objects.filter(type="records.sync.completed", patient_id=pull.patient.patient_id).count() == 1
        return "goes on"


class Deliver(Job):
    job = "deliver"
    name = "a delivery"
    costs = frozenset({"comes twice under one id"})

    def new(self) -> dict:
        self.patient_id = f"d-{next(self.world.numbers)}"
        emit(
            tenant=self.world.tenant,
            type="patient_flow.completed",
            object={"id": self.patient_id},
            patient_id=self.patient_id,
        )
        return {}

    def is_open(self, what):
        rows = Event.objects.filter(status="pending")
        return rows.update(leased_until=None, next_attempt_at=timezone.now() - PAST) > 0

    def look(self, what):
        event = Event.objects.get(patient_id=self.patient_id)
        assert (event.status, event.attempts) == ("delivered", 1)
        assert Delivery.objects.filter(event=event).count() == 1
        came = [each for each in self.world.receiver.events if each["data"]["object"]["id"] == self.patient_id]
        assert 1 <= len(came) <= 2
        assert {each["id"] for each in came} == {event.pk}
        return "goes on" if len(came) == 1 else "comes twice under one id"


class ExportRecords(Job):
    job = "export"
    name = "an export"

    def __init__(self, world):
        super().__init__(world)
        run_pull(PullRecords(world).new()["pull_id"])

    def new(self) -> dict:
        folder = f"lake-{next(self.world.numbers)}"
        Destination.objects.update(enabled=False)
        destination = create_destination(
            tenant=self.world.tenant, name=folder, kind="folder", settings={"folder": folder, "compress": False},
            credentials={}, by=SYSTEM,
        )  # fmt: skip
        return {"export_id": Export.objects.get(destination=destination).pk}

    def is_open(self, what):
        rows = Export.objects.filter(pk=what["export_id"], status__in=Export.OPEN)
        return rows.update(leased_until=None, due_at=timezone.now() - PAST) > 0

    def look(self, what):
        run = Export.objects.get(pk=what["export_id"])
        assert (run.status, run.errors) == ("completed", 0)
        folder = Path(django_settings.EXPORTS_DIR) / run.destination.settings["folder"] / run.folder
        manifest = json.loads((folder / "manifest.json").read_text())
        listed = {each["path"] for each in manifest["files"]}
        assert {path.name for path in folder.iterdir()} == listed | {"manifest.json"}, "something else lies there"
        lines = [line for name in listed for line in read_lines(folder / name)]
        names = [f"{line['resourceType']}/{line['id']}" for line in lines]
        held = Record.objects.values_list("resource_type", "resource_id")
        assert sorted(names) == sorted(f"{kind}/{id_}" for kind, id_ in held)
        assert Event.objects.filter(type="export.completed", data__object__id=run.pk).count() == 1
        return "goes on"


class CreateFlow(Job):
    """POST /patient-flows with an Idempotency-Key; the client repeats it."""

    job = "create_flow"
    name = "a request that makes a flow"
    repeated = ""

    def new(self) -> dict:
        patient_id = f"c-{next(self.world.numbers)}"
        source = make_source(self.world.portal.fhir)
        body = {"patient_id": patient_id, "return_url": RETURN_URL, "connection_id": source.pk}
        return {"secret": self.world.secret, "body": body, "key": patient_id}

    def is_open(self, what):
        """The client repeats what got no answer; until the lease of the first has run out it is told to wait."""
        IdempotentAnswer.objects.filter(key=what["key"]).update(leased_until=timezone.now() - PAST)
        is_first, self.repeated = self.repeated != what["key"], what["key"]
        return is_first

    def look(self, what):
        flow = PatientFlow.objects.get(patient__patient_id=what["body"]["patient_id"])
        assert flow.status == "open"
        return "goes on"


class Leave(Job):
    """The link is opened: an attempt, and a redirect to the portal. The patient opens it again."""

    job, name = "visit", "a link that is opened"
    repeated = ""

    def new(self) -> dict:
        key = ApiKey.objects.first()
        self.flow = open_flow(
            caller=key, by=SYSTEM, patient_id=f"l-{next(self.world.numbers)}", return_url=RETURN_URL,
            connection_id=make_source(self.world.portal.fhir).pk,
        )  # fmt: skip
        return {"url": f"/c/{self.flow.token}", "cookies": {}}

    def is_open(self, what):
        """The patient reloads, once."""
        is_first, self.repeated = self.repeated != what["url"], what["url"]
        return is_first

    def look(self, what):
        self.flow.refresh_from_db()
        attempts = list(Attempt.objects.filter(flow=self.flow))
        assert self.flow.status == "open"
        assert {attempt.stage for attempt in attempts} == {"left"}
        assert 1 <= len(attempts) <= 2
        return "goes on"


class ComeBack(Leave):
    """The callback: the code is spent, the connection made, the flow completed. The patient reloads."""

    name = "a callback"
    costs = frozenset({"patient starts again"})

    def new(self) -> dict:
        what = super().new()
        browser = Client()
        left = browser.get(what["url"])
        callback = self.world.portal.consent(left["Location"], self.flow.patient.patient_id)
        name = browsers.cookie_name()
        return {"url": callback.partition("testserver")[2], "cookies": {name: browser.cookies[name].value}}

    def is_open(self, what):
        Attempt.objects.filter(flow=self.flow).update(leased_until=timezone.now() - PAST)
        expire_due()
        return super().is_open(what)

    def look(self, what):
        self.flow.refresh_from_db()
        attempt = Attempt.objects.get(flow=self.flow)
        assert self.flow.status == "complete"
        assert Event.objects.filter(type="patient_flow.completed", data__object__id=self.flow.pk).count() == 1
        assert max(self.world.portal.spent.values()) == 1, "a code was sent twice"
        connections = list(Connection.objects.filter(patient=self.flow.patient))
        if attempt.status == "connected":
            assert [each.status for each in connections] == ["active"]
            assert connections[0].access_token in self.world.portal.access
            assert Pull.objects.filter(connection=connections[0]).count() == 1
            assert Event.objects.filter(type="connection.active", data__object__id=connections[0].pk).count() == 1
            return "goes on"
        assert (attempt.status, attempt.failure_code) == ("failed", "token_exchange_failed")
        assert connections == []
        return "patient starts again"


JOBS = (CreateFlow, Leave, ComeBack, Refresh, RefreshWithGrace, PullRecords, Deliver, ExportRecords)
