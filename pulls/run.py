"""A worker's run of one pull: plan, search, follow references, settle (DESIGN 4, "Pull").

Threads only fetch. What they bring is judged and stored here, in one thread: writes for a patient are serialised
anyway, and the next page is already on its way while this one is stored.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime, timedelta
from itertools import groupby

import structlog
from django.db import IntegrityError
from django.utils import timezone

from connect.crypto import CannotOpen
from portals.access import AccessLost, access_token, fresh_access_token
from portals.smart.errors import SmartError
from pulls import budgets, planning, settle
from pulls.calls import Answer, Verdict
from pulls.claims import claim, renew_if_old
from pulls.earlier import EarlierPages
from pulls.exchanges.recorder import Recorder
from pulls.following import ReferenceTarget, skip_what_is_not_to_be_fetched
from pulls.leases import LeaseLost
from pulls.models import PortalBudget, Pull, Reference
from pulls.queue import Queue
from pulls.searching import SearchTarget
from pulls.store import Arrived, Store
from pulls.targets import Fetched

log = structlog.get_logger(__name__)

BACKOFF_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15
BUDGET_AGE_SECONDS = 1.0
REFERENCE_BATCH = 200
MOST_BUSY_ANSWERS = 25
MOST_BYTES_A_TRANSACTION = 4 * 1024 * 1024
MOST_ANSWERS_A_TRANSACTION = 32


class PortalAway(Exception):
    """The whole portal is down or wants to be left alone until `until`."""

    def __init__(self, reason: str, until: datetime):
        super().__init__(reason)
        self.reason, self.until = reason, until


@contextmanager
def away_on_error():
    """A token endpoint that fails: the portal is away until it may be asked again."""
    try:
        yield
    except SmartError as error:
        wait = timedelta(seconds=error.retry_after_seconds or 30)
        raise PortalAway("token_endpoint_unavailable", timezone.now() + wait) from error


class AccessRejected(Exception):
    """The portal refuses even a fresh token (smart-fhir.md 7.6, `pull-second-401`)."""


def run_pull(pull_id: str) -> None:
    """Work on a pull until it is settled, must wait, or is somebody else's."""
    pull = claim(pull_id)
    if pull is None:
        return
    with structlog.contextvars.bound_contextvars(pull_id=pull.pk):
        run = PullRun(pull)
        try:
            run.go()
        except LeaseLost:
            log.info("pull.lease_lost")
        except CannotOpen:  # erased while a page was on its way; else a sealing key is missing, and verify says so
            log.error("pull.no_data_key")
        except AccessLost:
            settle.fail(pull, "access_lost")
        except AccessRejected:
            settle.fail(pull, "access_rejected")
        except PortalAway as away:
            settle.wait_for_portal(pull, reason=away.reason, until=away.until)
        run.keep_exchange()


class PullRun:
    """One claim's worth of work."""

    def __init__(self, pull: Pull):
        self.pull = pull
        self.source = pull.connection.source
        self.budget_read_at = 0.0
        self.busy_in_a_row = 0
        self.recorder = Recorder(pull)
        self.store = Store(pull)
        pull.amend(portal_key=budgets.key_of(self.source))

    def go(self) -> None:
        """Everything, from wherever the last worker left off."""
        with ThreadPoolExecutor(PortalBudget.MOST, thread_name_prefix="fetch") as threads:
            self.threads = threads
            try:
                planning.ensure_plan(self.pull)
                self.work(self.open_searches())
                if planning.qualify_patient(self.pull):
                    self.work(self.open_searches())
                while references := self.open_references():
                    self.work(ReferenceTarget(self.pull, reference) for reference in references)
            except planning.CapabilitiesUnavailable as fault:
                raise PortalAway("capabilities_unavailable", timezone.now() + timedelta(seconds=30)) from fault
            finally:
                threads.shutdown(wait=False, cancel_futures=True)
        settle.settle(self.pull)

    def keep_exchange(self) -> None:
        """For whoever has to find out why it is not complete; of a pull that was erased meanwhile nothing is kept."""
        try:
            self.recorder.keep()
        except (Pull.DoesNotExist, IntegrityError, CannotOpen):
            log.info("pull.exchange_not_kept")

    def open_searches(self) -> Iterator[SearchTarget]:
        earlier = EarlierPages(self.pull)
        for search in self.pull.searches.order_by("order"):
            if not search.is_over:
                yield SearchTarget(self.pull, search, earlier)

    def open_references(self) -> list[Reference]:
        skip_what_is_not_to_be_fetched(self.pull)
        return list(self.pull.references.filter(status=Reference.Status.PENDING).order_by("pk")[:REFERENCE_BATCH])

    def work(self, targets: Iterable) -> None:
        """Fetch and store the targets' answers, as many at once as the portal bears, in the given order."""
        waiting = iter(targets)
        queue = Queue()
        while True:
            self.read_budget()
            while len(queue.running) < self.allowed and (target := queue.next_ready() or next(waiting, None)):
                self.submit(queue, target)
            if queue.is_empty:
                return
            self.receive_all(queue, queue.collect())
            renew_if_old(self.pull)

    def submit(self, queue: Queue, target) -> None:
        """Start a fetch with the token as it stands in its row: another worker may have refreshed it."""
        with away_on_error():
            token = access_token(self.pull.connection_id)
        call = self.threads.submit(copy_context().run, target.fetch, token.token)  # its log lines name task and request
        queue.running[call] = (target, token.version)

    def receive_all(self, queue: Queue, came: list[tuple[object, list[Fetched]]]) -> None:
        """Judge what came, start what follows, and store the whole meanwhile, even if the run ends with it."""
        takes: list[Arrived | Callable[[], None]] = []
        try:
            for target, answers in came:
                takes.extend(self.receive(queue, target, answers))  # as they come, up to where the run ends
        finally:
            self.keep(takes)
        for target, _ in came:
            for sibling in target.siblings:
                queue.again(sibling)
            target.siblings = []

    def receive(self, queue: Queue, target, answers: list[Fetched]) -> Iterator[Arrived | Callable[[], None]]:
        """Judge a target's answers: once more, later, never again, or what there is to store."""
        target.has_more = False
        for fetched in answers:
            if fetched.url != target.url:  # fetched ahead along its links, but the search goes another way
                break
            self.recorder.note(fetched.url, fetched.answer)
            match fetched.answer.verdict:
                case Verdict.UNAUTHORIZED:
                    self.renew_token(target)
                    return queue.again(target)
                case Verdict.BUSY if target.may_wait():
                    self.slow_down(fetched.answer)
                    return queue.again(target, self.pause())
                case Verdict.UNAVAILABLE if target.may_try_again():
                    self.note_failure()
                    return queue.again(target, BACKOFF_SECONDS * 2**target.tries * random.uniform(0.5, 1))
                case Verdict.OK:
                    budgets.note_success(self.budget)
                    self.busy_in_a_row = 0
            yield target.read(fetched)
            if not target.has_more:
                return
        self.go_on(queue, target)

    def go_on(self, queue: Queue, target) -> None:
        """Ask for what follows at once, so that it travels while what came is stored."""
        if len(queue.running) < self.allowed and not self.pause():
            self.submit(queue, target)
        else:
            queue.again(target)

    def keep(self, takes: list[Arrived | Callable[[], None]]) -> None:
        """Store in the order of arrival; what follows one another goes into one transaction."""
        for are_answers, group in groupby(takes, key=lambda take: isinstance(take, Arrived)):
            if are_answers:
                for batch in batched(group):
                    self.store.keep(batch)
            else:
                for note in group:
                    note()

    def renew_token(self, target) -> None:
        """Ask for a fresh token once for a target; a second refusal in a row is the portal's last word."""
        if target.was_unauthorized:
            raise AccessRejected
        target.was_unauthorized = True
        with away_on_error():
            fresh_access_token(self.pull.connection_id, rejected_version=target.token_version)

    def slow_down(self, answer: Answer) -> None:
        """Keep away as long as the portal asks; where that is long, or nothing else is heard, the pull waits."""
        self.budget = budgets.slow_down(self.pull.portal_key, answer.retry_after_seconds)
        self.busy_in_a_row += 1
        if self.pause() > LONGEST_PAUSE_SECONDS or self.busy_in_a_row > MOST_BUSY_ANSWERS:
            raise PortalAway("rate_limited", self.budget.not_before)

    def pause(self) -> float:
        """Seconds until the portal may be called again."""
        not_before = self.budget.not_before
        return max(0.0, (not_before - timezone.now()).total_seconds()) if not_before else 0.0

    def note_failure(self) -> None:
        if budgets.note_failure(self.pull.portal_key):
            raise PortalAway("portal_unavailable", timezone.now() + budgets.CIRCUIT_WAIT)

    def read_budget(self) -> None:
        """Look at the shared row once a second: another worker may have been told to slow down."""
        if time.monotonic() - self.budget_read_at < BUDGET_AGE_SECONDS:
            return
        self.budget, self.budget_read_at = budgets.look(self.pull.portal_key), time.monotonic()
        self.allowed = budgets.share(self.budget)
        if self.pause() > LONGEST_PAUSE_SECONDS:
            raise PortalAway("rate_limited", self.budget.not_before)
        time.sleep(self.pause())


def batched(arrived: Iterable[Arrived]) -> Iterator[list[Arrived]]:
    """In lists that a transaction holds easily; an answer that is larger by itself is alone in its own."""
    batch, size = [], 0
    for each in arrived:
        batch.append(each)
        size += each.size
        if size >= MOST_BYTES_A_TRANSACTION or len(batch) >= MOST_ANSWERS_A_TRANSACTION:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
