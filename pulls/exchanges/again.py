"""Running a pull against a kept exchange: the code as it is now, the portal as it was then."""

import secrets
from dataclasses import dataclass

from connect import ids
from connect.organizations.models import Environment, Organization, Patient
from portals.connections import grant
from portals.models import Connection, Registration, Source
from portals.smart.tokens import TokenResponse
from pulls.exchanges.server import standing
from pulls.models import Pull
from pulls.outcome import TypeProgress, progress_of
from pulls.run import run_pull

HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    status: str
    reason: str
    types: list[TypeProgress]


def play(exchange: dict) -> Outcome:
    """Pull from the exchange's portal into this database, as an organisation of its own that is deleted afterwards."""
    with standing(exchange) as base:
        connection = _connected(exchange, base)
        pull = Pull.objects.create(
            organization_id=connection.organization_id, environment=connection.environment, connection=connection,
            patient=connection.patient, trigger=Pull.Trigger.MANUAL,
        )  # fmt: skip
        run_pull(pull.pk)
    pull.refresh_from_db()
    outcome = Outcome(pull.status, pull.error or pull.waiting_for, progress_of(pull))
    _forget(connection)
    return outcome


def _connected(exchange: dict, base: str) -> Connection:
    environment = Environment.SANDBOX
    organization = Organization.objects.create(name="Replay", slug=f"replay-{secrets.token_hex(4)}")
    source = Source.objects.create(
        id=ids.source_id(environment, base), environment=environment, fhir_base_url=base, name="Replayed portal",
        vendor=exchange["vendor"], category=exchange["category"] or "", overrides=exchange["overrides"] or {},
    )  # fmt: skip
    if exchange["capabilities"]:
        source.remember_capabilities(exchange["capabilities"])
    registration = Registration.objects.create(environment=environment, source=source, client_id="replay")
    patient = Patient.objects.create(organization=organization, environment=environment, patient_id="replay")
    scope = " ".join(exchange["scopes"])
    connection, _ = grant(
        patient=patient, source=source, registration=registration, configuration={"fhir_base_url": base},
        tokens=TokenResponse("replay", HOUR_SECONDS, scope, patient=exchange["patient"]), scopes_asked=scope,
        patient_flow_id=None,
    )  # fmt: skip
    return connection


def _forget(connection: Connection) -> None:
    connection.organization.delete()
    connection.source.delete()
