"""Connections from a CSV file: `patient_id,connection_id,fhir_patient_id,refresh_token,scopes`, and where they are known
`client_id` (the app the token was given to) and `access_ends_at`. `connection_id` is a source's id or FHIR base URL.

A refresh token is good for the app it was given to and nobody else: the same app must be registered here.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import lru_cache, partial

from django.utils import timezone
from rest_framework import serializers

from connect.audit.actions import Actor
from connect.operations.importing.rows import Row, RowRefused
from connect.organizations.fields import PatientIdField
from connect.organizations.views import StrictSerializer
from patientflows.actions import ensure_patient
from portals.connections import adopt
from portals.discovery import configuration_of
from portals.lookup import source_named
from portals.models import Registration, Source
from portals.registrations import NoRegistration, registration_for
from portals.smart.discovery import SmartConfiguration
from portals.smart.errors import SmartError

REQUIRED = {"patient_id", "connection_id", "fhir_patient_id", "refresh_token", "scopes"}
KNOWN = REQUIRED | {"client_id", "access_ends_at"}
SOURCES_KEPT = 10_000


class ConnectionRow(StrictSerializer):
    """A row's cells, checked. No message of its fields repeats what was given."""

    patient_id = PatientIdField()
    connection_id = serializers.CharField(max_length=500)
    fhir_patient_id = serializers.RegexField(
        r"\A(?:Patient/)?[A-Za-z0-9._~-]{1,200}\Z", error_messages={"invalid": "A FHIR id"}
    )
    refresh_token = serializers.RegexField(
        r"\A[\x21-\x7e]{1,16384}\Z", error_messages={"invalid": "Printable ASCII characters without spaces"}
    )
    scopes = serializers.CharField(max_length=4000)
    client_id = serializers.CharField(max_length=300, required=False)
    access_ends_at = serializers.DateTimeField(required=False, default_timezone=UTC)

    def validate_fhir_patient_id(self, value: str) -> str:
        return value.removeprefix("Patient/")


@dataclass(frozen=True)
class Place:
    """What taking over a grant needs to know of its source."""

    source: Source
    registration: Registration
    configuration: SmartConfiguration


class ConnectionImport:
    """Takes rows for one organisation's environment; each grant is refreshed within `spread`, at random, so that no
    portal gets thousands of token requests at once. Calls portals for their discovery documents."""

    def __init__(self, *, caller, by: Actor, spread: timedelta):
        self.caller, self.by, self.spread = caller, by, spread
        self.place = lru_cache(SOURCES_KEPT)(self._place)

    def check(self, row: Row) -> Callable[[], str]:
        """What writes the row and answers `made`, or `there already`: left alone. Raises ValidationError, RowRefused."""
        checked = ConnectionRow(data=row.cells)
        checked.is_valid(raise_exception=True)
        told = checked.validated_data
        place = self._known_place(told.pop("connection_id"))
        if told.pop("client_id", place.registration.client_id) != place.registration.client_id:
            raise RowRefused("client_id: another app is registered here for this source")
        return partial(self._write, place, **told)

    def _write(self, place: Place, *, patient_id: str, scopes: str, **grant) -> str:
        patient = ensure_patient(caller=self.caller, patient_id=patient_id)
        due_at = timezone.now() + self.spread * random.random()
        _, is_new = adopt(
            patient=patient, source=place.source, registration=place.registration, configuration=place.configuration,
            scopes=scopes.split(), refresh_due_at=due_at, by=self.by, **grant,
        )  # fmt: skip
        return "made" if is_new else "there already"

    def _known_place(self, named: str) -> Place:
        place = self.place(named)
        if isinstance(place, str):
            raise RowRefused(f"connection_id: {place}")
        return place

    def _place(self, named: str) -> Place | str:
        """Looked up once a source; or why it cannot be done."""
        source = source_named(self.caller.environment, named)
        if source is None:
            return "no such source in this environment's catalogue"
        try:
            registration = registration_for(source=source, organization_id=self.caller.organization_id)
            configuration = configuration_of(source)
        except NoRegistration:
            return "no app of ours is registered at this source"
        except SmartError as error:
            return f"the portal could not be asked for its endpoints ({error.reason})"
        if configuration.refusal:
            return f"the portal's endpoints are not usable ({configuration.refusal})"
        return Place(source, registration, configuration)
