"""Rows that benches begin with, made the way the product makes them."""

import secrets

from django.db import connection

from connect import ids
from connect.organizations.models import SCOPES, ApiKey, Environment, Organization, Patient, Tenant
from portals.connections import grant
from portals.models import Connection, Registration, Source
from portals.smart.tokens import TokenResponse

SANDBOX = Environment.SANDBOX
ASKED = "launch/patient offline_access patient/*.rs"


def organization() -> tuple[Tenant, str]:
    """A fresh organisation's sandbox and an API key."""
    slug = f"bench-{secrets.token_hex(4)}"
    made = Organization.objects.create(name="Bench", slug=slug)
    secret = ApiKey.new_secret(SANDBOX)
    key = ApiKey(organization=made, environment=SANDBOX, name="bench", scopes=list(SCOPES))
    key.adopt(secret)
    key.save()
    return Tenant(made.pk, SANDBOX), secret


def source(base: str, **more) -> Source:
    """A catalogue entry that needs no call to leave for, and a public client there."""
    document = configuration(base)
    made, _ = Source.objects.get_or_create(
        id=ids.source_id(SANDBOX, base), environment=SANDBOX, fhir_base_url=base,
        defaults={"name": "Bench Hospital", **more},
    )  # fmt: skip
    made.remember_configuration(document)
    Registration.objects.get_or_create(environment=SANDBOX, source=made, client_id="bench")
    return made


def configuration(base: str) -> dict:
    root = base.rsplit("/", 1)[0]
    return {
        "fhir_base_url": base,
        "authorization_endpoint": f"{root}/authorize",
        "token_endpoint": f"{root}/token",
        "capabilities": ["permission-v2", "permission-offline", "launch-standalone", "context-standalone-patient"],
        "code_challenge_methods_supported": ["S256"],
    }


def patient(tenant: Tenant, patient_id: str) -> Patient:
    return Patient.objects.create(
        organization_id=tenant.organization_id, environment=tenant.environment, patient_id=patient_id
    )


def connection_of(owner: Patient, at: Source, *, expires_in: int = 3600) -> Connection:
    """An active connection, made the way the callback makes it."""
    tokens = TokenResponse("at", expires_in, ASKED, "rt", patient=f"pat-{owner.patient_id}")
    made, _ = grant(
        patient=owner, source=at, registration=at.registrations.get(), tokens=tokens,
        configuration=configuration(at.fhir_base_url), scopes_asked=ASKED, patient_flow_id=None,
    )  # fmt: skip
    return made


def connections(tenant: Tenant, at: list[Source], count: int) -> None:
    """So many patients with a connection each, spread over these sources: copies of one that was made as ever."""
    models = [connection_of(patient(tenant, f"first-{number}"), each) for number, each in enumerate(at)]
    names = [field.attname for field in Connection._meta.concrete_fields if not hasattr(field, "sealed")]
    for start in range(len(at), count, 1000):
        numbers = range(start, min(start + 1000, count))
        owners = Patient.objects.bulk_create(
            Patient(organization_id=tenant.organization_id, environment=tenant.environment, patient_id=f"p-{number}")
            for number in numbers
        )
        Connection.objects.bulk_create(
            _copy(models[number % len(at)], names, owner) for number, owner in zip(numbers, owners, strict=True)
        )


def _copy(model: Connection, names: list[str], owner: Patient) -> Connection:
    columns = {name: getattr(model, name) for name in names} | {"id": ids.new_connection_id(), "patient_id": owner.pk}
    copy = Connection(**columns)
    copy.access_token, copy.refresh_token = "at", "rt"
    return copy


def analyze() -> None:
    """Fresh statistics, as autovacuum would have them."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
