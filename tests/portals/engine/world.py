"""Connections made the way a callback makes them, and what became of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from django.utils import timezone

from connect.audit.models import Entry
from connect.organizations.models import Patient, Tenant
from portals import connections
from portals.models import Connection, Registration, Revocation, Source
from portals.smart.discovery import SmartConfiguration
from portals.smart.tokens import TokenResponse
from tests.portals.portal_double import Answer, PortalDouble
from webhooks.models import Event

SCOPES = "launch/patient offline_access patient/Condition.rs patient/Goal.rs"
GRANTED = {"access_token": "at-2", "token_type": "bearer", "expires_in": 3600}
_numbers = count(1)


@dataclass
class World:
    """One organisation's sandbox, and a portal."""

    tenant: Tenant
    portal: PortalDouble
    sources: dict[str, Source] = field(default_factory=dict)

    def source(self, name: str = "Mercy", portal: PortalDouble | None = None, **more) -> Source:
        if name not in self.sources:
            base = f"{(portal or self.portal).url}/fhir/{name.lower()}" if name != "Mercy" else self.portal.base
            self.sources[name] = Source.objects.create(
                id=f"fhirsrc_{name.lower()}", environment=self.tenant.environment, fhir_base_url=base, name=name, **more
            )
        return self.sources[name]

    def registration(self, source: Source, **more) -> Registration:
        found = source.registrations.first()
        if found and not more:
            return found
        own = {"client_id": "our-app", "method": "client_secret_basic"} | more
        registration = Registration(environment=self.tenant.environment, source=source, **own)
        registration.client_secret = "our-secret"
        registration.save(force_insert=True)
        return registration

    def patient(self, patient_id: str | None = None) -> Patient:
        patient_id = patient_id or f"p-{next(_numbers)}"
        patient = Patient.objects.of(self.tenant).filter(patient_id=patient_id).first()
        if patient is None:
            patient = Patient(
                organization_id=self.tenant.organization_id, environment=self.tenant.environment, patient_id=patient_id
            )
            patient.save()
        return patient

    def connect(
        self, source: Source | None = None, *, patient: Patient | None = None, registration=None, fhir_patient="pat-1",
        refresh_token: str | None = "rt-1", expires_in: int | None = 3600, scopes: str = SCOPES, **more,
    ) -> Connection:  # fmt: skip
        """A connection as a callback leaves it."""
        source = source or self.source()
        connection, _ = connections.grant(
            patient=patient or self.patient(), source=source, registration=registration or self.registration(source),
            tokens=TokenResponse(
                "at-1", expires_in_seconds=expires_in, refresh_token=refresh_token, patient=fhir_patient, **more
            ),
            configuration=self.configuration(source), scopes_asked=scopes, patient_flow_id="pf_1",
        )  # fmt: skip
        connection.refresh_from_db()
        return connection

    def configuration(self, source: Source) -> SmartConfiguration:
        root = source.fhir_base_url.partition("/fhir")[0]
        return SmartConfiguration(
            fhir_base_url=source.fhir_base_url, authorization_endpoint=f"{root}/authorize",
            token_endpoint=f"{root}/token", revocation_endpoint=f"{root}/revoke",
        )  # fmt: skip

    def due(self, *args, **kwargs) -> Connection:
        """A connection whose refresh is due now."""
        connection = self.connect(*args, **kwargs)
        connection.amend(refresh_due_at=timezone.now() - timedelta(seconds=1))
        return connection

    def answers(self, *answers: Answer | dict) -> None:
        """What the token endpoint says, one after another; the last goes on."""
        self.portal.on("/token", *(Answer(json=GRANTED | a) if isinstance(a, dict) else a for a in answers))

    @property
    def asked(self) -> list[str]:
        """The refresh tokens that reached the portal."""
        return [request.form.get("refresh_token", "") for request in self.portal.to("/token")]

    def events(self, kind: str = "") -> list[Event]:
        """What the endpoint hears; that connections became active is left out."""
        rows = Event.objects.exclude(type="connection.active").order_by("pk")
        return list(rows.filter(type=kind) if kind else rows)

    def events_of(self, kind: str) -> list[Event]:
        return list(Event.objects.filter(type=kind).order_by("pk"))

    def audited(self, action: str) -> int:
        return Entry.objects.filter(action=action).count()

    def revocations(self) -> set[tuple[str, str]]:
        return {(row.token_type, row.token) for row in Revocation.objects.filter(settled_at=None)}


def make_due(*rows: Connection) -> None:
    """Let their time come."""
    Connection.objects.filter(pk__in=[row.pk for row in rows]).update(
        refresh_due_at=timezone.now() - timedelta(seconds=1)
    )


def now_of(row: Connection) -> Connection:
    """The row as it stands."""
    return Connection.objects.select_related("source", "registration", "patient").get(pk=row.pk)


def later(moment, seconds: float) -> bool:
    """Whether `moment` is at least so many seconds ahead."""
    return moment >= timezone.now() + timedelta(seconds=seconds)
