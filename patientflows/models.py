"""The top of the story: PatientFlow (a link a patient opens), Attempt (one try at one source), Step (the timeline)."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, Patient, Tenant, TenantQuerySet
from connect.states import Transitions
from portals.models import Connection, Registration, Source


class PatientFlow(Transitions, models.Model):
    """One authorisation session of one patient."""

    class Status(models.TextChoices):
        OPEN = "open"
        COMPLETE = "complete"
        EXPIRED = "expired"

    TRANSITIONS = {Status.OPEN: {Status.COMPLETE, Status.EXPIRED}}

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_flow_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="flows")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    token_hash = models.CharField(max_length=64, unique=True)
    token = SealedField(help_text="The link's last part; the API echoes it while the flow is open.")
    source = models.ForeignKey(Source, null=True, on_delete=models.PROTECT, related_name="+", help_text="Direct Mode.")
    recommended = models.JSONField(null=True, help_text="Source ids shown first (Picker Mode).")
    reconnects = models.ForeignKey(Connection, null=True, on_delete=models.SET_NULL, related_name="+")
    return_url = models.URLField(max_length=2000)
    return_button_label = models.CharField(max_length=60, null=True)
    locale = models.CharField(max_length=5, null=True)
    metadata = models.JSONField(default=dict)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = TenantQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["expires_at"], condition=models.Q(status="open"), name="flows_due"),
            models.Index(fields=["organization", "environment", "-id"], name="flows_newest"),
            models.Index(fields=["organization", "environment", "status", "-id"], name="flows_by_status"),
            models.Index(fields=["patient", "-id"], name="flows_of_patient"),
        ]

    def __str__(self):
        return self.id

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.environment)

    @property
    def is_direct(self) -> bool:
        return self.source_id is not None

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    @property
    def has_run_out(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def button_label(self) -> str:
        """What Done returns to, in the app's words; empty where neither the link nor the organisation says it."""
        return self.return_button_label or self.organization.button_label

    def note_opening(self) -> bool:
        """Remember the first opening; True for it. Opening a link changes nothing else (contract 3.1)."""
        return self.amend(only_if={"opened_at": None}, opened_at=timezone.now())

    def complete(self) -> None:
        """The patient is done, or came back from the portal in Direct Mode; raises TransitionRefused the second time."""
        self.move(self.Status.COMPLETE, completed_at=timezone.now())

    def expire(self) -> None:
        self.move(self.Status.EXPIRED)


class Attempt(Transitions, models.Model):
    """One try at one source: what left for the portal and what came back."""

    class Status(models.TextChoices):
        PENDING = "pending"
        CONNECTED = "connected"
        FAILED = "failed"
        EXPIRED = "expired"

    TRANSITIONS = {Status.PENDING: {Status.CONNECTED, Status.FAILED, Status.EXPIRED}}

    class Stage(models.TextChoices):
        """How far a pending attempt is. `exchanging` is written before the code is sent: a code is used once only."""

        LEFT = "left"
        EXCHANGING = "exchanging"
        CONFIRMING = "confirming"

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_attempt_id, editable=False)
    flow = models.ForeignKey(PatientFlow, on_delete=models.CASCADE, related_name="attempts")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="+")
    registration = models.ForeignKey(Registration, null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    stage = models.CharField(max_length=12, choices=Stage, default=Stage.LEFT)
    state_hash = models.CharField(max_length=64, unique=True)
    verifier = SealedField(null=True)
    nonce = SealedField(null=True)
    browser_hash = models.CharField(max_length=64, help_text="Hash of the cookie of the browser that left.")
    grant = SealedField(null=True, help_text="What the portal granted, while it waits for the six-character code.")
    confirmation_tries = models.PositiveSmallIntegerField(default=0)
    configuration = models.JSONField(default=dict, help_text="What discovery said when the patient left (pinned).")
    scope = models.TextField(blank=True, help_text="Asked for.")
    failure_code = models.CharField(max_length=40, null=True)
    failure_at = models.DateTimeField(null=True)
    operator_hint = models.CharField(
        max_length=200, blank=True, help_text="Our own words for operators; no portal text."
    )
    connection = models.ForeignKey(Connection, null=True, on_delete=models.SET_NULL, related_name="attempts")
    reconnected = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(status="connected") | models.Q(failure_code=None), name="connected_has_no_failure"
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], condition=models.Q(status="pending"), name="attempts_due"),
            models.Index(fields=["flow", "-id"], name="attempts_of_flow"),
            models.Index(fields=["source", "-created_at"], name="attempts_of_source"),
            models.Index(fields=["status", "-id"], condition=~models.Q(status="connected"), name="attempts_by_status"),
        ]

    def __str__(self):
        return self.id

    def start_exchange(self, *, lease: timedelta) -> bool:
        """Take the one right to spend this state and its code; False when another request has it."""
        now = timezone.now()
        return self.amend(
            only_if={"status": self.Status.PENDING, "stage": self.Stage.LEFT},
            stage=self.Stage.EXCHANGING, returned_at=now, leased_until=now + lease,
        )  # fmt: skip

    def await_confirmation(self, grant: str) -> bool:
        """Hold what was granted until the six-character code is typed; nothing is attached before."""
        return self.amend(
            only_if={"status": self.Status.PENDING, "stage": self.Stage.EXCHANGING},
            stage=self.Stage.CONFIRMING, grant=grant, leased_until=None, verifier=None,
        )  # fmt: skip

    def take_confirmation_try(self, *, limit: int) -> bool:
        """Use up one try at the six-character code before it is looked at, so that parallel guesses count too; False
        when none is left."""
        left = Attempt.objects.filter(pk=self.pk, confirmation_tries__lt=limit)
        taken = left.update(confirmation_tries=models.F("confirmation_tries") + 1) == 1
        self.confirmation_tries += taken
        return taken

    @property
    def is_pending(self) -> bool:
        return self.status == self.Status.PENDING

    @property
    def has_run_out(self) -> bool:
        return self.expires_at <= timezone.now()

    def connect(self, connection: Connection, *, reconnected: bool) -> None:
        """The portal said yes: forget what only the way there needed."""
        self.move(
            self.Status.CONNECTED, connection_id=connection.pk, reconnected=reconnected, settled_at=timezone.now(),
            verifier=None, nonce=None, grant=None,
        )  # fmt: skip

    def fail(self, failure_code: str, *, hint: str = "") -> None:
        """The patient or the portal returned an error."""
        self._end(self.Status.FAILED, failure_code, hint)

    def abandon(self) -> None:
        """Nobody came back in time."""
        self._end(self.Status.EXPIRED, "authorization_abandoned", "")

    def _end(self, status: str, failure_code: str, hint: str) -> None:
        now = timezone.now()
        self.move(
            status, failure_code=failure_code, failure_at=now, settled_at=now, operator_hint=hint,
            verifier=None, nonce=None, grant=None,
        )  # fmt: skip


class Step(models.Model):
    """One line of a flow's timeline: what happened and how it went. No PHI, no search text."""

    class Kind(models.TextChoices):
        LINK_OPENED = "link_opened"
        SEARCHED = "searched"
        SOURCE_CHOSEN = "source_chosen"
        SENT_TO_PORTAL = "sent_to_portal"
        CAME_BACK = "came_back"
        CODE_EXCHANGED = "code_exchanged"
        CONNECTED = "connected"
        FAILED = "failed"
        DONE = "done"
        EXPIRED = "expired"

    flow = models.ForeignKey(PatientFlow, on_delete=models.CASCADE, related_name="steps")
    attempt_id = models.CharField(max_length=40, null=True)
    source_id = models.CharField(max_length=40, null=True)
    kind = models.CharField(max_length=16, choices=Kind)
    outcome = models.CharField(max_length=40, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["kind", "at"], name="steps_by_kind")]


class PatientLinkQuerySet(models.QuerySet):
    def live(self) -> "PatientLinkQuerySet":
        """Links that have not been turned off."""
        return self.filter(revoked_at=None)


class PatientLink(models.Model):
    """A patient's own page, `/my/{token}` (contract 8): long-lived, and theirs to turn off."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_patient_link_id, editable=False)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="links")
    token_hash = models.CharField(max_length=64, unique=True)
    token = SealedField(help_text="To show the same link again after the next connection.")
    locale = models.CharField(max_length=5, null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_opened_at = models.DateTimeField(null=True)
    emailed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    EMAIL_PAUSE = timedelta(minutes=10)

    objects = PatientLinkQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient"], condition=models.Q(revoked_at=None), name="one_live_link_a_patient"
            ),
        ]

    def __str__(self):
        return self.id

    def opened(self) -> None:
        """Note the visit."""
        PatientLink.objects.filter(pk=self.pk).update(last_opened_at=timezone.now())

    def speak(self, locale: str) -> None:
        PatientLink.objects.filter(pk=self.pk).update(locale=locale)
        self.locale = locale

    def revoke(self) -> bool:
        """Turn the link off for good; False if it was off."""
        return PatientLink.objects.live().filter(pk=self.pk).update(revoked_at=timezone.now()) == 1

    def may_be_emailed(self) -> bool:
        """Take the right to send it by e-mail now: one message in `EMAIL_PAUSE`, however many requests race."""
        now = timezone.now()
        rested = models.Q(emailed_at=None) | models.Q(emailed_at__lte=now - self.EMAIL_PAUSE)
        return PatientLink.objects.live().filter(rested, pk=self.pk).update(emailed_at=now) == 1


class ReceiptKey(models.Model):
    """A key pair that signs receipts of consent. Its public half stays published: receipts are kept for years."""

    kid = models.CharField(primary_key=True, max_length=60)
    public_jwk = models.JSONField()
    private_jwk = SealedField()
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="It signs nothing after this.")

    def retire(self) -> None:
        """Sign with another key from now on."""
        ReceiptKey.objects.filter(pk=self.pk, retired_at=None).update(retired_at=timezone.now())


class Receipt(models.Model):
    """What a patient agreed to when one connection was made: a signed statement that can be checked offline."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_receipt_id, editable=False)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="receipts")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="receipts")
    attempt_id = models.CharField(max_length=40, unique=True, help_text="The attempt that it is about.")
    key = models.ForeignKey(ReceiptKey, on_delete=models.PROTECT, related_name="+")
    signed = SealedField(help_text="JWS, compact (RFC 7515), ES384.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["patient", "-id"], name="receipts_of_patient")]

    def __str__(self):
        return self.id
