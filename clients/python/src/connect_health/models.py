"""What the API answers, typed. Fields that a server does not send are None; fields unknown here are left out.

Everywhere in the API a field called `connection_id` holds a source's id (`fhirsrc_…`); a connection's own is `id`.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct, field


class Model(Struct, frozen=True, kw_only=True):
    """An object as it was when it was answered."""


class Connection(Model, frozen=True, kw_only=True):
    """A patient's grant at a source, or the last failed try at one (`id` is None). `active` means connected."""

    connection_id: str
    status: str
    created_at: datetime
    id: str | None = None
    patient_flow_id: str | None = None
    patient_id: str | None = None
    scopes: list[str] = field(default_factory=list)
    scopes_missing: list[str] = field(default_factory=list)
    failure_code: str | None = None
    failure_at: datetime | None = None
    updated_at: datetime | None = None
    renewable: bool | None = None
    access_ends_at: datetime | None = None
    last_pulled_at: datetime | None = None
    next_pull_at: datetime | None = None


class Patient(Model, frozen=True, kw_only=True):
    """A person; `id` is the integrator's own. `connections` is there where one patient was asked for."""

    id: str
    created_at: datetime
    email: str | None = None
    name: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    connections: list[Connection] | None = None


class PatientFlow(Model, frozen=True, kw_only=True):
    """A link for a patient: `open`, `complete` or `expired`. Whether anything is connected, `connections` says."""

    id: str
    status: str
    patient_id: str
    return_url: str
    expires_at: datetime
    created_at: datetime
    url: str | None = None
    connection_id: str | None = None
    recommended_connection_ids: list[str] | None = None
    return_button_label: str | None = None
    connections: list[Connection] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    completed_at: datetime | None = None


class Step(Model, frozen=True, kw_only=True):
    """One line of a flow's timeline."""

    kind: str
    at: datetime
    outcome: str = ""
    connection_id: str | None = None


class Timeline(Model, frozen=True, kw_only=True):
    """Every step of a flow with its time and outcome."""

    patient_flow_id: str
    steps: list[Step]


class Location(Model, frozen=True, kw_only=True):
    """Where a source's patients are."""

    city: str = ""
    state: str = ""
    postal_code: str = ""


class FhirSource(Model, frozen=True, kw_only=True):
    """An entry of the catalogue; its `id` is what other objects call `connection_id`."""

    id: str
    name: str
    fhir_base_url: str
    type: str | None = None
    logo_url: str | None = None
    portal_url: str | None = None
    brand: str | None = None
    aliases: list[str] = field(default_factory=list)
    locations: list[Location] = field(default_factory=list)
    status: str | None = None


class Record(Model, frozen=True, kw_only=True):
    """One FHIR resource, in its latest version, and the source it came from; the rest with `changes=True` only."""

    source: str
    resource: dict[str, Any]
    change: str | None = None
    landed_at: datetime | None = None
    pull_id: str | None = None


class Progress(Model, frozen=True, kw_only=True):
    """One resource type of a pull."""

    type: str
    status: str
    fetched: int = 0
    stored: int = 0
    expected: int | None = None
    error: str | None = None


class Pull(Model, frozen=True, kw_only=True):
    """One fetch of a connection's records; settled when `finished_at` is set."""

    id: str
    patient_id: str
    connection_id: str
    status: str
    trigger: str
    retry_of: str | None = None
    total: int = 0
    errors: int = 0
    progress: list[Progress] = field(default_factory=list)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int | None = None


class ExportDestination(Model, frozen=True, kw_only=True):
    """Where exports are written; it has everything up to `complete_until`."""

    id: str
    name: str
    kind: str
    enabled: bool
    created_at: datetime
    settings: dict[str, Any] = field(default_factory=dict)
    complete_until: datetime | None = None
    updated_at: datetime | None = None


class Export(Model, frozen=True, kw_only=True):
    """A run that writes records to a destination; over when `finished_at` is set."""

    id: str
    destination_id: str
    status: str
    created_at: datetime
    trigger: str | None = None
    mode: str | None = None
    resources: int = 0
    gone: int = 0
    bytes: int = 0
    errors: int = 0
    reasons: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    folder: str | None = None
    manifest_sha256: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class WebhookEndpoint(Model, frozen=True, kw_only=True):
    """Where events go. `secret` is there in the answers to `create` and `rotate_secret` alone: keep it."""

    id: str
    url: str
    events: list[str]
    status: str
    api_version: str
    created_at: datetime
    updated_at: datetime
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    secret: str | None = None


class Delivery(Model, frozen=True, kw_only=True):
    """One attempt to deliver an event."""

    number: int
    started_at: datetime
    trigger: str = ""
    duration_ms: int | None = None
    status_code: int | None = None
    error: str | None = None


class Event(Model, frozen=True, kw_only=True):
    """One event at one endpoint, with what became of its delivery."""

    id: str
    webhook_endpoint_id: str
    type: str
    data: dict[str, Any]
    api_version: str
    created_at: datetime
    attempts: int = 0
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_status_code: int | None = None
    last_response_body: str | None = None
    last_redelivered_at: datetime | None = None
    patient_id: str | None = None
    sequence: int | None = None
    status: str | None = None
    deliveries: list[Delivery] = field(default_factory=list)


class ReceivedEvent(Model, frozen=True, kw_only=True):
    """A webhook's body, once its signature was found right. `object` is what the event tells of."""

    id: str
    type: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    api_version: str | None = None
    created_at: datetime | None = None
    patient_id: str | None = None
    sequence: int | None = None

    @property
    def object(self) -> dict[str, Any]:
        found = self.data.get("object", {})
        return found if isinstance(found, dict) else {}


class Recovery(Model, frozen=True, kw_only=True):
    """How many events a recovery has queued."""

    id: str
    since: datetime
    queued: int


class Tombstone(Model, frozen=True, kw_only=True):
    """What is gone (`deleted`), or ended (`disconnected`)."""

    id: str
    deleted: bool = False
    disconnected: bool = False
