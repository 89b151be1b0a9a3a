"""The delivery engine's rows: Endpoint, Event (the outbox, a row an endpoint) and Delivery (one attempt)."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, TenantQuerySet
from connect.states import Transitions
from webhooks import signing
from webhooks.schedule import ATTEMPTS


class Endpoint(Transitions, models.Model):
    """A URL of the integrator's that wants to hear of some event types."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        DISABLED = "disabled"

    TRANSITIONS = {Status.ACTIVE: {Status.DISABLED}, Status.DISABLED: {Status.ACTIVE}}

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_endpoint_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="endpoints")
    environment = models.CharField(max_length=10, choices=Environment)
    url = models.URLField(max_length=2000)
    events = models.JSONField(default=list)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    description = models.CharField(max_length=500, null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    api_version = models.CharField(max_length=10, default=settings.API_VERSION)
    secret = SealedField()
    previous_secret = SealedField(null=True)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    last_sequence = models.BigIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False, help_text="Empty while deliveries succeed.")
    disabled_reason = models.CharField(max_length=60, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["organization", "environment", "-id"], name="endpoints_newest")]

    def __str__(self):
        return f"{self.id} {self.url}"

    def wants(self, event_type: str) -> bool:
        return "*" in self.events or event_type in self.events

    def disable(self, *, reason: str) -> None:
        """Stop deliveries and hold what is pending; raises TransitionRefused if it is disabled already."""
        self.move(self.Status.DISABLED, disabled_reason=reason)
        self.event_rows.hold()

    def enable(self) -> None:
        """Deliver new events again; nothing old is sent by itself (contract 6.2)."""
        self.move(self.Status.ACTIVE, disabled_reason="", failing_since=None)

    def revise(self, **changes) -> None:
        """Take new values of url, events, description or metadata."""
        self.amend(**changes)

    def note_outcome(self, *, ok: bool, now) -> None:
        """Remember since when attempts fail; the first of several workers to notice writes it."""
        rows = Endpoint.objects.filter(pk=self.pk, failing_since__isnull=not ok)
        rows.update(failing_since=None if ok else now)

    def rotate_secret(self, *, overlap_seconds: int) -> str:
        """Take a new secret; the old one signs too for `overlap_seconds`. Returns the new one."""
        secret = signing.new_secret()
        now = timezone.now()
        self.amend(
            previous_secret=self.secret if overlap_seconds else None,
            previous_secret_until=now + timedelta(seconds=overlap_seconds) if overlap_seconds else None,
            secret=secret,
        )
        return secret

    def signing_secrets(self, now) -> list[str]:
        """The secrets that sign now, newest first."""
        if self.previous_secret_until and self.previous_secret_until > now:
            return [self.secret, self.previous_secret]
        return [self.secret]


class Trigger(models.TextChoices):
    """Why an attempt runs."""

    EVENT = "event"
    REDELIVER = "redeliver"
    RECOVER = "recover"
    TEST = "test"


NOBODY = 0  # the fence of an event that no worker has claimed since it was queued


class EventQuerySet(TenantQuerySet):
    """Moves of many rows at once, each one UPDATE guarded by the transition table."""

    def move(self, to: str, **changes) -> int:
        """Set the status of those rows that may take it; returns how many did."""
        return self.filter(status__in=Event.sources_of(to)).update(status=to, **changes)

    def undelivered(self):
        return self.filter(delivered_at=None)

    def due(self, now):
        """Numbered, pending and due; a leased row is due again when its lease runs out."""
        return self.filter(status=Event.Status.PENDING, next_attempt_at__lte=now, sequence__isnull=False)

    def hold(self) -> int:
        """Keep pending events back. One that is being sent right now may still become delivered."""
        return self.move(Event.Status.HELD, next_attempt_at=None, advanced_seconds=0)

    def queue(self, *, trigger: str, now, **changes) -> int:
        """Begin a fresh round of nine attempts, now."""
        return self.move(
            Event.Status.PENDING, trigger=trigger, tries_left=ATTEMPTS, next_attempt_at=now, leased_until=None,
            fence=NOBODY, advanced_seconds=0, **changes,
        )  # fmt: skip


class Event(Transitions, models.Model):
    """One thing that happened, for one endpoint. Written in the transaction of the change it tells of."""

    class Status(models.TextChoices):
        PENDING = "pending"
        DELIVERED = "delivered"
        EXHAUSTED = "exhausted"
        HELD = "held"

    TRANSITIONS = {
        Status.PENDING: {Status.DELIVERED, Status.EXHAUSTED, Status.HELD, Status.PENDING},
        Status.HELD: {Status.PENDING, Status.DELIVERED},
        Status.EXHAUSTED: {Status.PENDING},
        Status.DELIVERED: {Status.PENDING},
    }

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_event_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    environment = models.CharField(max_length=10, choices=Environment)
    # No constraint: deleting an endpoint must neither wait for nor undo a change whose event is being written. Events
    # that arrive for a deleted endpoint are swept away by the worker.
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="event_rows"
    )
    type = models.CharField(max_length=60)
    patient_id = models.CharField(max_length=200, null=True, blank=True)
    data = models.JSONField()
    api_version = models.CharField(max_length=10)
    sequence = models.BigIntegerField(null=True, help_text="Gapless per endpoint, given after commit.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    tries_left = models.PositiveSmallIntegerField(default=ATTEMPTS, help_text="Attempts left of the current round.")
    trigger = models.CharField(max_length=12, choices=Trigger, default=Trigger.EVENT)
    next_attempt_at = models.DateTimeField(
        null=True, default=timezone.now, help_text="While it is being sent: when its lease runs out."
    )
    leased_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(
        default=NOBODY, help_text="The worker that claimed it last; only that one settles it."
    )
    advanced_seconds = models.PositiveIntegerField(default=0, help_text="Sandbox clock: time still to live through.")
    delivered_at = models.DateTimeField(null=True)
    last_status_code = models.PositiveSmallIntegerField(null=True)
    last_response_body = models.TextField(null=True)
    last_redelivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "sequence"], condition=models.Q(sequence__isnull=False), name="one_sequence"
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"], condition=models.Q(status="pending"), name="events_due"
            ),
            models.Index(
                fields=["endpoint", "id"], condition=models.Q(sequence__isnull=True), name="events_unsequenced"
            ),
            models.Index(
                fields=["endpoint", "-id"], condition=models.Q(delivered_at__isnull=True), name="events_undelivered"
            ),
            models.Index(fields=["endpoint", "-id"], name="events_of_endpoint"),
            models.Index(fields=["status", "-id"], condition=~models.Q(status="delivered"), name="events_by_status"),
            models.Index(fields=["organization", "environment", "-id"], name="events_newest"),
            models.Index(fields=["organization", "environment", "patient_id"], name="events_of_patient"),
        ]

    def __str__(self):
        return f"{self.id} {self.type}"

    def advance(self, *, seconds: int, now) -> None:
        """Let time pass for a waiting event; what is left when its next attempt is due counts for the waits after."""
        wait = max(0, (self.next_attempt_at - now).total_seconds())
        passed = min(wait, seconds)
        self.amend(
            next_attempt_at=self.next_attempt_at - timedelta(seconds=passed),
            advanced_seconds=self.advanced_seconds + int(seconds - passed),
        )


class Delivery(models.Model):
    """One attempt to deliver an event: why it ran, what came back, how long it took. Kept 30 days."""

    event = models.ForeignKey(Event, on_delete=models.DO_NOTHING, db_constraint=False, related_name="deliveries")
    number = models.PositiveIntegerField()
    trigger = models.CharField(max_length=12, choices=Trigger, default=Trigger.EVENT)
    started_at = models.DateTimeField(default=timezone.now)
    duration_ms = models.PositiveIntegerField(default=0)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=60, blank=True, help_text="Why no 2xx came, as a slug.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["started_at"], name="deliveries_by_age"),
            models.Index(fields=["-id"], condition=~models.Q(error=""), name="deliveries_failed"),
        ]

    def __str__(self):
        return f"attempt {self.number} of {self.event_id}"
