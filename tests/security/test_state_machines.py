"""Stateful tests (hypothesis): any order of what people, portals, workers and clocks do to a flow, a connection, a pull and
a delivery, against a model of a few lines. What the model allows must be what the rows say, whatever came before.

The model knows nothing of the code: it is the contract's sentences about each lifecycle.
"""

from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connect.audit.actions import SYSTEM
from connect.errors import ResourceConflict, Throttled
from connect.operations.verify import CHECKS
from connect.organizations.models import Tenant
from connect.states import TransitionRefused
from patientflows import patients
from patientflows.actions import expire_flow, finish_flow
from patientflows.expire import expire_due
from patientflows.models import PatientFlow
from portals import refresh
from portals.exchanges import Answer
from portals.models import Connection
from portals.settling import settle as settle_refresh
from portals.smart.errors import GrantRefused, PortalUnavailable
from portals.smart.tokens import TokenResponse
from pulls import claims as pull_claims
from pulls import settle as pull_settle
from pulls.actions import cancel_pull, pull_now
from pulls.leases import LeaseLost
from pulls.models import Pull
from tests.factories import make_endpoint, make_organization
from tests.world import make_world
from webhooks import actions as webhooks
from webhooks import claims, sequence, settling
from webhooks.models import Delivery, Endpoint, Event
from webhooks.sending import Receipt

A_FEW = settings(
    max_examples=8, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
LONG_AGO = timedelta(hours=2)
_numbers = count(1)
# What `verify` looks for and that no order of acts may bring about. Leases and due times are the machines' own doing.
ALWAYS = [
    check for check in CHECKS
    if check.name in ("attempts-forget", "flows-settled-once", "tokens-of-the-living", "active-has-token", "ends-explained",
                      "pulls-have-manifests", "manifests-unchanged", "running-is-leased", "complete-is-complete",
                      "positions", "told-once", "events-explained", "events-come-round", "no-gaps", "refresh-comes-round")
]  # fmt: skip


def nothing_is_wrong() -> None:
    for check in ALWAYS:
        finding = check.look()
        assert finding.ok, (finding.check, finding.named)


class Machine(RuleBasedStateMachine):
    def teardown(self):
        nothing_is_wrong()


class FlowMachine(Machine):
    """A link: open, then complete or expired, once, with one event."""

    @initialize()
    def begin(self):
        self.world = make_world(make_organization())
        self.flow = PatientFlow.objects.get(pk=self.world.flow.pk)
        PatientFlow.objects.filter(pk=self.flow.pk).update(status="open", completed_at=None)
        Event.objects.filter(type="patient_flow.completed").delete()
        Event.objects.update(sequence=None)
        Endpoint.objects.update(last_sequence=0)
        self.status = "open"

    def fresh(self) -> PatientFlow:
        return PatientFlow.objects.select_related("patient", "organization").get(pk=self.flow.pk)

    @rule(stale=st.booleans())
    def press_done(self, stale):
        """Also with a row read before something else happened."""
        finish_flow(flow=self.flow if stale else self.fresh())
        self.status = "complete" if self.status == "open" else self.status

    @rule()
    def expire_by_hand(self):
        if self.status == "open":
            expire_flow(flow=self.fresh(), by=SYSTEM)
            self.status = "expired"
        else:
            with pytest.raises(ResourceConflict):
                expire_flow(flow=self.fresh(), by=SYSTEM)

    @rule()
    def time_runs_out(self):
        PatientFlow.objects.filter(pk=self.flow.pk).update(expires_at=timezone.now() - LONG_AGO)
        self.world.attempt.__class__.objects.update(settled_at=timezone.now() - LONG_AGO)
        expire_due()
        self.status = "expired" if self.status == "open" else self.status

    @invariant()
    def it_is_what_the_model_says_and_told_once(self):
        if not hasattr(self, "status"):
            return
        assert self.fresh().status == self.status
        told = Event.objects.filter(type__startswith="patient_flow.", data__object__id=self.flow.pk)
        wanted = (
            []
            if self.status == "open"
            else [{"complete": "patient_flow.completed"}.get(self.status, "patient_flow.expired")]
        )
        assert [event.type for event in told] == wanted


class ConnectionMachine(Machine):
    """A grant: tokens while active only; whoever's lease was lost changes nothing."""

    @initialize()
    def begin(self):
        self.world = make_world(make_organization())
        self.pk, self.status, self.generation = self.world.connection.pk, "active", 0
        self.asked: list[tuple] = []

    @rule()
    def a_worker_asks_the_portal(self):
        for claimed in refresh.claim([self.pk], rejected_version=Connection.objects.get(pk=self.pk).token_version):
            for request in refresh.prepare([claimed]):
                self.asked.append((request, self.generation))
                self.generation += 1

    @rule()
    def a_worker_dies(self):
        Connection.objects.filter(pk=self.pk).update(leased_until=timezone.now() - LONG_AGO)

    @precondition(lambda self: self.asked)
    @rule(which=st.integers(0, 5), answer=st.sampled_from(["tokens", "refused", "away"]))
    def an_answer_comes(self, which, answer):
        """Perhaps a late one, of a worker long given up."""
        request, _ = self.asked[which % len(self.asked)]
        before = Connection.objects.get(pk=self.pk)
        holds = before.status == "active" and before.fence == request.connection.fence
        outcome = {
            "tokens": {"tokens": TokenResponse(f"a-{next(_numbers)}", 3600, refresh_token=f"r-{next(_numbers)}")},
            "refused": {"error": GrantRefused("invalid_grant")},
            "away": {"error": PortalUnavailable("status")},
        }[answer]
        settle_refresh(Answer(request, **outcome))
        after = Connection.objects.get(pk=self.pk)
        if holds and answer == "refused":
            self.status = "refresh_failed"
        if not holds:
            assert (after.status, after.token_version) == (before.status, before.token_version)

    @rule()
    def disconnect(self):
        patients.disconnect(
            connection=Connection.objects.select_related("patient", "source", "registration").get(pk=self.pk), by=SYSTEM
        )
        self.status = "disconnected"

    @invariant()
    def it_is_what_the_model_says(self):
        if not hasattr(self, "status"):
            return
        row = Connection.objects.get(pk=self.pk)
        assert row.status == self.status
        assert (row.access_token is not None) == (self.status == "active")


class PullMachine(Machine):
    """One open pull a connection; only the last claim's worker writes; each ends once."""

    @initialize()
    def begin(self):
        self.world = make_world(make_organization())
        self.connection = Connection.objects.select_related("organization").get(pk=self.world.connection.pk)
        self.held: list[Pull] = []

    def open_pull(self) -> Pull | None:
        return Pull.objects.filter(connection=self.connection, status__in=Pull.OPEN).first()

    @rule()
    def ask_for_one(self):
        before = self.open_pull()
        pull = pull_now(connection=self.connection, by=SYSTEM)
        assert before is None or before.pk == pull.pk

    @rule()
    def a_worker_takes_it(self):
        pull = self.open_pull()
        free = (
            pull
            and (pull.leased_until is None or pull.leased_until <= timezone.now())
            and pull.due_at <= timezone.now()
        )
        claimed = pull and pull_claims.claim(pull.pk)
        assert bool(claimed) == bool(free)
        self.held += [claimed] if claimed else []

    @rule()
    def its_lease_runs_out(self):
        Pull.objects.filter(status__in=Pull.OPEN).update(
            leased_until=timezone.now() - LONG_AGO, due_at=timezone.now() - LONG_AGO
        )

    @rule()
    def somebody_cancels(self):
        pull = self.open_pull()
        if pull:
            cancel_pull(pull=pull, by=SYSTEM)

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 5), end=st.sampled_from(["settle", "fail", "wait", "hold"]))
    def a_worker_ends_it(self, which, end):
        """Perhaps one that lost it long ago: then nothing changes."""
        mine = self.held[which % len(self.held)]
        before = Pull.objects.get(pk=mine.pk)
        holds = before.status == "running" and before.fence == mine.fence
        try:
            match end:
                case "settle":
                    pull_settle.settle(mine)
                case "fail":
                    pull_settle.fail(mine, "access_lost")
                case "wait":
                    pull_settle.wait_for_portal(mine, reason="portal_unavailable", until=timezone.now())
                case "hold":
                    mine.hold()
            lost = False
        except (LeaseLost, TransitionRefused):
            lost = True
        after = Pull.objects.get(pk=mine.pk)
        if holds:
            assert not lost
            assert after.status != "running" or end == "hold"
        else:
            assert (after.status, after.fence, after.manifest_sha256) == (
                before.status,
                before.fence,
                before.manifest_sha256,
            )

    @invariant()
    def one_is_open_at_most_and_each_end_is_told_once(self):
        if not hasattr(self, "connection"):
            return
        assert Pull.objects.filter(connection=self.connection, status__in=Pull.OPEN).count() <= 1
        ended = Pull.objects.filter(connection=self.connection, status__in=["completed", "partial", "failed"])
        told = Event.objects.filter(type__startswith="records.sync.", endpoint=self.world.endpoint)
        assert sorted(event.data["object"]["pull_id"] for event in told) == sorted(ended.values_list("pk", flat=True))


class DeliveryMachine(Machine):
    """Events to one endpoint: numbered without gaps, delivered or visibly given up, held while it is disabled."""

    @initialize()
    def begin(self):
        organization = make_organization()
        self.tenant = Tenant(organization.pk, "sandbox")
        self.endpoint_id = make_endpoint(self.tenant, "https://app.example.org/hooks").pk
        self.parcels: list = []
        self.delivered: set[str] = set()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.objects.get(pk=self.endpoint_id)

    @rule(many=st.integers(1, 3))
    def something_happens(self, many):
        for _ in range(many):
            webhooks.emit(tenant=self.tenant, type="patient_flow.completed", object={"id": f"pf_{next(_numbers)}"})

    @rule()
    def a_worker_claims(self):
        sequence.number_new_events()
        now = timezone.now()
        for endpoint in claims.due_endpoints(now):
            self.parcels += claims.claim({endpoint: 2}, fence=next(_numbers), now=now)

    @precondition(lambda self: self.parcels)
    @rule(which=st.integers(0, 9), status=st.sampled_from([200, 500, None]))
    def an_attempt_comes_back(self, which, status):
        """Perhaps of a worker whose lease ran out, perhaps twice."""
        parcel = self.parcels[which % len(self.parcels)]
        before = Event.objects.get(pk=parcel.event_id)
        holds = before.fence == parcel.fence and before.leased_until is not None
        settling.settle([Receipt(parcel, timezone.now(), 5, status, "", "" if status == 200 else "status")])
        after = Event.objects.get(pk=parcel.event_id)
        if not holds:
            is_anothers = before.fence != parcel.fence  # or waits again: this attempt was made all the same
            assert after.attempts == before.attempts + is_anothers
            assert after.status in (before.status, "held")
        if holds and status == 200:
            assert after.status == "delivered"

    @rule()
    def time_passes(self):
        past = timezone.now() - LONG_AGO
        Event.objects.filter(status="pending").update(next_attempt_at=past)
        Event.objects.exclude(leased_until=None).update(leased_until=past)

    @rule(status=st.sampled_from(["active", "disabled"]))
    def its_owner_switches_it(self, status):
        webhooks.update_endpoint(endpoint=self.endpoint, by=SYSTEM, status=status)

    @rule(which=st.integers(0, 9), how=st.sampled_from(["redeliver", "recover"]))
    def its_owner_asks_again(self, which, how):
        events = list(Event.objects.filter(endpoint_id=self.endpoint_id).select_related("endpoint").order_by("pk"))
        try:
            if how == "recover":
                webhooks.recover(endpoint=self.endpoint, since=timezone.now() - LONG_AGO, by=SYSTEM)
            elif events:
                webhooks.redeliver(event=events[which % len(events)], by=SYSTEM)
        except (ResourceConflict, Throttled):
            pass

    @invariant()
    def nothing_is_lost_and_every_number_is_given_once(self):
        if not hasattr(self, "endpoint_id"):
            return
        events = Event.objects.filter(endpoint_id=self.endpoint_id)
        numbers = sorted(events.exclude(sequence=None).values_list("sequence", flat=True))
        assert numbers == list(range(1, len(numbers) + 1))
        assert self.endpoint.last_sequence == len(numbers)
        now_delivered = set(events.exclude(delivered_at=None).values_list("pk", flat=True))
        assert self.delivered <= now_delivered
        self.delivered = now_delivered
        for event in events:
            assert event.status != "exhausted" or self.endpoint.status == "disabled" or event.tries_left == 0
            assert event.attempts <= Delivery.objects.filter(event=event).count()


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [FlowMachine, ConnectionMachine, PullMachine, DeliveryMachine])
def test_any_order_of_events_agrees_with_the_model(machine):
    run_state_machine_as_test(machine, settings=A_FEW)
