"""Fifty workers and one expiring connection; a worker killed between the portal's answer and the commit (PostgreSQL)."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection as database
from django.db import connections, transaction
from django.utils import timezone

from connect.background import send
from portals import sweep, tasks
from portals.access import access_token, fresh_access_token
from portals.models import Connection
from portals.refresh import claim, refresh_connection
from portals.smart.errors import SmartError
from tests.portals.engine.world import GRANTED, make_due, now_of
from tests.portals.portal_double import Answer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("only_postgres")]
WORKERS = 50
Status, Refresh = Connection.Status, Connection.Refresh


@pytest.fixture
def a_connection_a_thread():
    """As many database connections as threads: each stands for a worker's process."""
    options = connections.settings["default"]["OPTIONS"]
    pool = options.get("pool")
    database.close()
    options["pool"] = False
    yield
    database.close()
    options["pool"] = pool


def at_once(work, count: int = WORKERS) -> list:
    """Run `work(n)` on `count` threads that start together."""
    barrier = threading.Barrier(count)

    def one(number: int):
        barrier.wait()
        try:
            return work(number)
        finally:
            database.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def rotating(world, *, seconds: float = 0.2):
    """A portal that takes a while, rotates, and kills the family when a token comes twice."""
    used: set[str] = set()

    def answer(request):
        token = request.form["refresh_token"]
        time.sleep(seconds)
        if token in used:
            return Answer(400, json={"error": "invalid_grant"})
        used.add(token)
        return Answer(json=GRANTED | {"refresh_token": f"{token}+", "access_token": f"at-{len(used)}-new"})

    world.portal.on("/token", answer)


def test_ref_concurrent_workers(world, a_connection_a_thread):
    """Half are refresh workers, half are pulls whose access token was refused: one request reaches the portal, and
    every pull goes on with the one new token."""
    connection = world.due()
    rotating(world)

    def work(number: int):
        if number % 2:
            return refresh_connection(connection.pk)
        return fresh_access_token(connection.pk, rejected_version=connection.token_version).token

    results = at_once(work)
    assert world.asked == ["rt-1"]
    assert set(results[0::2]) == {"at-1-new"}
    assert sum(result is True for result in results[1::2]) <= 1
    row = now_of(connection)
    assert (row.status, row.refresh_token, row.token_version) == (Status.ACTIVE, "rt-1+", connection.token_version + 1)
    assert world.events() == []


def test_ref_concurrent_pulls_refused_in_turn_refresh_once(world, a_connection_a_thread):
    """The last pull to learn of its 401 gets the token that the first one's refresh brought."""
    connection = world.connect()
    rotating(world, seconds=0.05)

    def work(number: int):
        time.sleep(number * 0.01)
        return fresh_access_token(connection.pk, rejected_version=connection.token_version).token

    assert set(at_once(work, 20)) == {"at-1-new"}
    assert world.asked == ["rt-1"]


def test_ref_claims_never_overlap(world, a_connection_a_thread):
    rows = [world.due() for _ in range(40)]
    ids = [row.pk for row in rows]
    claimed = at_once(lambda _: [row.pk for row in claim(ids)], 12)
    taken = [pk for pks in claimed for pk in pks]
    assert sorted(taken) == sorted(ids)
    assert set(Connection.objects.values_list("fence", flat=True)) == {rows[0].fence + 1}


def test_ref_invalid_grant_tells_once_however_many_ask(world, a_connection_a_thread):
    connection = world.due()
    world.portal.on("/token", Answer(400, json={"error": "invalid_grant"}))

    def work(_):
        with suppress(SmartError):
            return refresh_connection(connection.pk)

    at_once(work, 20)
    assert world.asked == ["rt-1"]
    assert len(world.events("connection.token_refresh_failed")) == 1


WAITING = """FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE 'UPDATE "portals_connection"%'"""


class KilledWorker:
    """A worker's process that is killed when the portal has answered and the answer is not yet committed.

    The portal takes the connection's row lock before it answers, so the worker waits in the very UPDATE that would
    store the new tokens.
    """

    def __init__(self, world, connection, answer: Answer):
        self.locked, self.release, self.done = threading.Event(), threading.Event(), threading.Event()
        self.connection, self.answer = connection, answer
        world.portal.on("/token", self.answer_under_lock)

    def answer_under_lock(self, request):
        threading.Thread(target=self.hold_row, daemon=True).start()
        assert self.locked.wait(10)
        return self.answer

    def hold_row(self):
        with transaction.atomic():
            Connection.objects.select_for_update().get(pk=self.connection.pk)
            self.locked.set()
            self.release.wait(20)
        database.close()
        self.done.set()

    def run(self) -> None:
        values = settings.DATABASES["default"]
        url = f"postgres://{values['USER']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
        environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "connect.settings"}
        process = subprocess.Popen([sys.executable, "-m", "tests.portals.engine.worker"], env=environment)
        try:
            assert self.locked.wait(20), "the worker never reached the portal"
            self.wait_until_the_worker_waits_for_the_row()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            self.forget_its_statement()
            self.release.set()
        assert self.done.wait(10)

    def forget_its_statement(self):
        """PostgreSQL would still carry out what a dead client sent: this is the machine dying with it."""
        with database.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")

    def wait_until_the_worker_waits_for_the_row(self):
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with database.cursor() as cursor:
                cursor.execute(f"SELECT count(*) {WAITING}")
                if cursor.fetchone()[0]:
                    return
            time.sleep(0.05)
        raise AssertionError("the worker never came to store the answer")


def lease_runs_out(connection) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=connection.pk).update(leased_until=past, refresh_due_at=past)


@pytest.mark.parametrize("grace", [True, False], ids=["within-grace", "without-grace"])
def test_ref_crash_between_response_and_commit(world, grace):
    connection = world.due()
    KilledWorker(world, connection, Answer(json=GRANTED | {"refresh_token": "rt-lost"})).run()

    row = now_of(connection)
    assert (row.status, row.refresh_state, row.refresh_token) == (Status.ACTIVE, Refresh.SENT, "rt-1")
    world.answers({"refresh_token": "rt-2"} if grace else Answer(400, json={"error": "invalid_grant"}))
    sweep.refresh_due(round_seconds=2)
    assert world.asked == ["rt-1"], "the lease still stands: nobody else may ask"

    lease_runs_out(connection)
    sweep.refresh_due(round_seconds=2)
    row = now_of(connection)
    assert world.asked == ["rt-1", "rt-1"]
    if grace:
        assert (row.status, row.refresh_state, row.refresh_token) == (Status.ACTIVE, Refresh.IDLE, "rt-2")
        assert world.events() == []
    else:
        assert (row.status, row.refresh_error) == (Status.REFRESH_FAILED, "lost_response")
        assert len(world.events("connection.token_refresh_failed")) == 1
    lease_runs_out(connection)
    sweep.refresh_due(round_seconds=2)
    assert len(world.asked) == (2 if not grace else len(world.asked))


def test_a_lost_wake_up_changes_latency_only(world):
    connection = world.due()
    world.answers({})
    send(tasks.refresh, connection.pk)  # goes to a broker that nobody reads
    assert world.asked == []
    sweep.refresh_due(round_seconds=2)
    assert access_token(connection.pk).token == "at-2"
    make_due(connection)
