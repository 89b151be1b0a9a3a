"""A patient's grants and their tokens, what is left to revoke, and what we learned of each token endpoint."""

from datetime import datetime, timedelta

from django.db import connection as database
from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone

from connect import ids
from connect.crypto import SealedField
from connect.organizations.models import Environment, Organization, Patient, Tenant, TenantQuerySet
from connect.postgres import binary
from connect.states import Transitions
from portals.models.catalogue import Source
from portals.models.registrations import Registration


class ConnectionQuerySet(TenantQuerySet):
    """Connections by what the refresh engine has to do with them."""

    def free(self, now: datetime) -> "ConnectionQuerySet":
        """Those that no worker is refreshing."""
        return self.filter(Q(leased_until=None) | Q(leased_until__lte=now))

    def due(self, now: datetime) -> "ConnectionQuerySet":
        """Active, time to refresh or to end, and free; answered by the index `refreshes_due`."""
        return self.free(now).filter(status=Connection.Status.ACTIVE, refresh_due_at__lte=now)

    def lapsing(self, since: datetime, until: datetime) -> "ConnectionQuerySet":
        """Active, and over within that time unless the patient comes back: consents with a known end, and tokens that
        cannot be renewed. Answered by `access_ending` and `access_lapsing`."""
        ends = Q(access_ends_at__gt=since, access_ends_at__lte=until)
        expires = Q(renewable=False, access_expires_at__gt=since, access_expires_at__lte=until)
        return self.filter(ends | expires, status=Connection.Status.ACTIVE)

    def refreshes_failing(self) -> "ConnectionQuerySet":
        """Active connections whose last refresh failed and is tried again; answered by `refreshes_failing`."""
        return self.filter(status=Connection.Status.ACTIVE, refresh_failures__gt=0)

    def lease(self, *, until: datetime) -> int:
        """Take rows that are locked and known to be free: after this commit the request may go out.

        An interrupted refresh (`sent`, and nobody holds the lease) becomes `uncertain`. The next look is at the end
        of the lease, so a worker that dies leaves a row that is due again.
        """
        idle, sent, uncertain = Connection.Refresh.IDLE, Connection.Refresh.SENT, Connection.Refresh.UNCERTAIN
        state = Case(When(refresh_state=idle, then=Value(sent)), default=Value(uncertain))
        return self.update(refresh_state=state, fence=F("fence") + 1, leased_until=until, refresh_due_at=until)

    def renew(self, renewals: list[tuple["Connection", dict]]) -> set[str]:
        """Take the answers to many refreshes at once, each as `Connection.renew` does; the ids of those that were taken.

        Each is guarded by the fence of its row in memory. With PostgreSQL it is one statement an alike set of columns.
        """
        if database.vendor != "postgresql":
            with transaction.atomic():
                return {row.pk for row, renewed in renewals if row.renew(fence=row.fence, **renewed)}
        alike: dict[tuple, list[dict]] = {}
        for row, renewed in renewals:
            columns = row.renewal(**renewed) | {"id": row.pk, "fence": row.fence}
            alike.setdefault(tuple(columns), []).append(columns)
        taken: set[str] = set()
        with transaction.atomic():
            for rows in alike.values():
                taken |= binary.update_each(self.model, rows, same=("fence",), status=Connection.Status.ACTIVE)
        return taken


class Connection(Transitions, models.Model):
    """A patient's grant at a source: it exists once the portal has said yes."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        REFRESH_FAILED = "refresh_failed"
        EXPIRED = "expired"
        DISCONNECTED = "disconnected"

    TRANSITIONS = {
        Status.ACTIVE: {Status.REFRESH_FAILED, Status.EXPIRED, Status.DISCONNECTED},
        Status.REFRESH_FAILED: {Status.ACTIVE, Status.DISCONNECTED},
        Status.EXPIRED: {Status.ACTIVE, Status.DISCONNECTED},
        Status.DISCONNECTED: {Status.ACTIVE},
    }

    class Refresh(models.TextChoices):
        """Where a refresh stands: `sent` between request and commit, `uncertain` when that was interrupted."""

        IDLE = "idle"
        SENT = "sent"
        UNCERTAIN = "uncertain"

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_connection_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=10, choices=Environment)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="connections")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="connections")
    registration = models.ForeignKey(Registration, on_delete=models.PROTECT, related_name="+")
    patient_flow_id = models.CharField(max_length=40, null=True, help_text="The flow that last connected it.")
    fhir_patient_id = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    failure_code = models.CharField(max_length=40, null=True, blank=True)
    failure_at = models.DateTimeField(null=True)
    scopes = models.JSONField(default=list, help_text="Granted.")
    scopes_missing = models.JSONField(default=list, help_text="Asked for, not granted.")
    configuration = models.JSONField(default=dict, help_text="What discovery said when access was granted (pinned).")

    access_token = SealedField(null=True)
    refresh_token = SealedField(null=True)
    previous_refresh_token = SealedField(null=True, help_text="Kept until the one that replaced it has worked.")
    token_version = models.BigIntegerField(default=0, help_text="Moves with every new access token.")
    access_expires_at = models.DateTimeField(null=True)
    access_ends_at = models.DateTimeField(null=True, help_text="A known end of consent.")
    renewable = models.BooleanField(null=True)

    refresh_due_at = models.DateTimeField(null=True)
    refresh_state = models.CharField(max_length=10, choices=Refresh, default=Refresh.IDLE)
    refresh_failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    refresh_strikes = models.PositiveSmallIntegerField(default=0, help_text="Refusals that are final when repeated.")
    refresh_error = models.CharField(max_length=60, blank=True, help_text="Why the last refresh failed: our own slug.")
    refreshed_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    expiry_announced_at = models.DateTimeField(null=True)

    next_pull_at = models.DateTimeField(null=True)
    last_pulled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["patient", "source", "fhir_patient_id"], name="one_connection_a_grant"),
            models.CheckConstraint(
                condition=models.Q(status="active")
                | models.Q(access_token=None, refresh_token=None, previous_refresh_token=None),
                name="only_active_connections_hold_tokens",
            ),
        ]
        indexes = [
            models.Index(fields=["refresh_due_at"], condition=models.Q(status="active"), name="refreshes_due"),
            models.Index(fields=["next_pull_at"], condition=models.Q(status="active"), name="pulls_due"),
            models.Index(fields=["access_ends_at"], condition=models.Q(status="active"), name="access_ending"),
            models.Index(
                fields=["access_expires_at"],
                condition=models.Q(status="active", renewable=False),
                name="access_lapsing",
            ),
            models.Index(
                fields=["refresh_failures"],
                condition=models.Q(status="active", refresh_failures__gt=0),
                name="refreshes_failing",
            ),
            models.Index(fields=["organization", "environment", "-id"], name="connections_newest"),
            models.Index(fields=["source", "status"], name="connections_of_source"),
            models.Index(fields=["failure_at"], condition=~models.Q(failure_at=None), name="connections_lost"),
            models.Index(fields=["status", "-id"], condition=~models.Q(status="active"), name="connections_ended"),
        ]

    def __str__(self):
        return self.id

    @property
    def tenant(self) -> Tenant:
        return Tenant(self.organization_id, self.environment)

    @property
    def is_active(self) -> bool:
        return self.status == self.Status.ACTIVE

    @property
    def is_refresh_uncertain(self) -> bool:
        """Whether a refresh was sent whose answer was never saved."""
        return self.refresh_state != self.Refresh.IDLE

    def take_grant(self, **granted) -> None:
        """Become active, or go on being it, with a new grant; every refresh still under way loses its fence.

        `granted` are the columns of the grant, tokens included. The caller holds the row's lock.
        """
        granted |= {
            "failure_code": None, "failure_at": None, "previous_refresh_token": None, "refresh_strikes": 0,
            "token_version": self.token_version + 1, "fence": self.fence + 1, **self._at_rest(),
        }  # fmt: skip
        if self.is_active:
            self.amend(only_if={"status": self.Status.ACTIVE}, **granted)
        else:
            self.move(self.Status.ACTIVE, **granted)

    def renew(self, *, fence: int, **renewed) -> bool:
        """Take the answer to a refresh, tokens and all, in one UPDATE; False when another got there first."""
        return self.amend(only_if=self.held(fence), **self.renewal(**renewed))

    def renewal(self, **renewed) -> dict:
        """The columns that change with the answer to a refresh, tokens sealed."""
        return self._columns(
            {
                "refreshed_at": timezone.now(), "renewable": True, "refresh_strikes": 0,
                "token_version": self.token_version + 1, **self._at_rest(), **renewed,
            }
        )  # fmt: skip

    def put_off(self, *, fence: int, due_at: datetime, reason: str, uncertain: bool, strike: bool = False) -> bool:
        """Try the refresh again later; False when another got there first."""
        return self.amend(
            only_if=self.held(fence), refresh_due_at=due_at, leased_until=None, refresh_error=reason,
            refresh_failures=self.refresh_failures + 1, refresh_strikes=self.refresh_strikes + int(strike),
            refresh_state=self.Refresh.UNCERTAIN if uncertain else self.Refresh.IDLE,
        )  # fmt: skip

    def fall_back(self, *, fence: int) -> bool:
        """Use the refresh token that the refused one replaced: the portal may have lost its own rotation."""
        return self.amend(
            only_if=self.held(fence), refresh_token=self.previous_refresh_token, previous_refresh_token=None,
            refresh_due_at=timezone.now(), **self._at_rest(),
        )  # fmt: skip

    def hurry(self) -> bool:
        """Make the refresh due now; False where there is nothing to refresh with."""
        guard = {"status": self.Status.ACTIVE, "refresh_token__isnull": False}
        return self.amend(only_if=guard, refresh_due_at=timezone.now())

    def announce_expiry(self) -> bool:
        """Note that the end of access has been told; False when another told it."""
        guard = {"status": self.Status.ACTIVE, "expiry_announced_at": None}
        return self.amend(only_if=guard, expiry_announced_at=timezone.now())

    def shift(self, seconds: int) -> None:
        """The sandbox's clock: bring everything that lies ahead nearer by `seconds`. The caller holds the lock."""
        ahead = ("access_expires_at", "access_ends_at", "refresh_due_at", "next_pull_at")
        known = {name: getattr(self, name) for name in ahead if getattr(self, name)}
        self.amend(**{name: moment - timedelta(seconds=seconds) for name, moment in known.items()})

    def end(self, status: str, *, failure_code: str | None, reason: str = "", **guard) -> None:
        """Leave `active`: forget every token, stop refreshes and pulls. Records stay.

        `reason` is for operators, `guard` further conditions. Raises TransitionRefused.
        """
        self.move(
            status, only_if=guard, failure_code=failure_code, failure_at=timezone.now() if failure_code else None,
            access_token=None, refresh_token=None, previous_refresh_token=None, access_expires_at=None,
            next_pull_at=None, refresh_due_at=None, **self._at_rest() | {"refresh_error": reason},
        )  # fmt: skip

    def _at_rest(self) -> dict:
        return {"refresh_state": self.Refresh.IDLE, "leased_until": None, "refresh_failures": 0, "refresh_error": ""}

    def held(self, fence: int) -> dict:
        """The guard of whatever is written under a claim."""
        return {"status": self.Status.ACTIVE, "fence": fence}


class Revocation(models.Model):
    """A token to revoke at its portal (RFC 7009), kept until the portal answered or was given up."""

    LIFETIME = timedelta(days=7)

    id = models.CharField(primary_key=True, max_length=40, default=ids.new_revocation_id, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    registration = models.ForeignKey(Registration, on_delete=models.CASCADE, related_name="+")
    connection_id = models.CharField(max_length=40, blank=True)
    token = SealedField(null=True)
    token_type = models.CharField(max_length=20, default="refresh_token")
    endpoint = models.URLField(max_length=500)
    token_endpoint = models.URLField(max_length=500, help_text="The audience of a client assertion.")
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=60, blank=True)
    settled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=models.Q(settled_at=None), name="revocations_due")]

    def __str__(self):
        return self.id

    def settle(self, *, outcome: str = "") -> None:
        """It is over, well (no `outcome`) or not: the token is forgotten."""
        self._write(token=None, settled_at=timezone.now(), leased_until=None, last_error=outcome)

    def put_off(self, *, due_at: datetime, reason: str) -> None:
        self._write(due_at=due_at, leased_until=None, last_error=reason)

    def _write(self, **changes) -> None:
        changes["attempts"] = F("attempts") + 1
        Revocation.objects.filter(pk=self.pk, fence=self.fence, settled_at=None).update(**changes)


class Circuit(models.Model):
    """What the refresh engine learned of one portal, shared by all workers; no row means that all is well."""

    key = models.CharField(
        primary_key=True, max_length=200, help_text="A source's rate_limit_group, or its id; or a registration's id."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Answers in a row that were none.")
    open_until = models.DateTimeField(null=True, help_text="No refresh is sent before then; afterwards one, as a test.")
    reason = models.CharField(max_length=60, blank=True)
    next_slot_at = models.DateTimeField(null=True, help_text="For a portal with a budget of token requests a minute.")
    per_minute = models.PositiveIntegerField(null=True, help_text="That budget.")
    client_fault_by = models.CharField(
        max_length=40, blank=True, help_text="The connection for which the portal refused us (not the grant) first."
    )
    tested_by = models.CharField(max_length=40, blank=True, help_text="The connection whose refresh is the test.")
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self):
        return self.key

    def revise(self, **changes) -> None:
        """Write columns; the caller holds the row's lock."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.updated_at = timezone.now()
        self.save(update_fields=[*changes, "updated_at"])


class Advance(models.Model):
    """The sandbox's clock: seconds that a connection has still to live through."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="advances")
    seconds_left = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def spend(self, seconds: int) -> None:
        """So much has been lived through; at the end the row goes."""
        self.seconds_left -= seconds
        if self.seconds_left <= 0:
            self.delete()
        else:
            self.save(update_fields=["seconds_left"])
