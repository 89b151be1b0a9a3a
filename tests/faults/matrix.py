"""The faults, as a table: what is done to the installation while patients are on their way."""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import requests

from tests.faults.installation import NAME, Installation
from tests.faults.wire import SlowWire

# Patients at a time × types a pull, each with a page in hand: and as much again that a killed worker had.
MOST_PAGES_AHEAD = 4 * 2 * 2


@dataclass(frozen=True)
class Fault:
    """`inflict` runs while stories do, and leaves everything running again. `outcome`: what it costs, at most."""

    name: str
    inflict: Callable[[Installation, random.Random], None]
    outcome: str
    is_short: bool = False


def worker_killed(installation: Installation, chance: random.Random) -> None:
    for _ in range(3):
        time.sleep(chance.uniform(0.2, 1.5))
        worker = chance.choice(installation.workers)
        worker.kill()
        worker.start()


def all_workers_killed(installation: Installation, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.5, 3))
    for worker in installation.workers:
        worker.kill()
    for worker in installation.workers:
        worker.start()


def web_killed(installation: Installation, chance: random.Random) -> None:
    for _ in range(3):
        time.sleep(chance.uniform(0.05, 0.8))
        installation.web.kill()
        installation.web.start()
        installation.wait_for_web()


def connections_cut(installation: Installation, chance: random.Random) -> None:
    for _ in range(6):
        time.sleep(chance.uniform(0.1, 0.6))
        installation.cluster.cut_connections(NAME)


def database_crashed(installation: Installation, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.3, 2))
    installation.cluster.stop("immediate")
    time.sleep(1)
    installation.cluster.start()


def database_restarted(installation: Installation, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.3, 2))
    installation.cluster.stop("fast")
    installation.cluster.start()


def serialisation_failures(installation: Installation, chance: random.Random) -> None:
    """The strictest isolation, where the database refuses what it cannot put in an order (40001)."""
    installation.cluster.execute(NAME, f"ALTER DATABASE {NAME} SET default_transaction_isolation = 'serializable'")
    installation.cluster.cut_connections(NAME)
    time.sleep(6)
    installation.cluster.execute(NAME, f"ALTER DATABASE {NAME} RESET default_transaction_isolation")
    installation.cluster.cut_connections(NAME)


def database_stalled(installation: Installation, chance: random.Random) -> None:
    """A table that every request reads is locked for some seconds, while sixty clients ask."""
    with psycopg.connect(installation.cluster.url(NAME)) as database:
        database.execute("LOCK TABLE organizations_apikey IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(60) as clients:
            asked = [clients.submit(installation.ask, "GET", "/patients") for _ in range(60)]
            time.sleep(3)
            began = time.monotonic()
            assert requests.get(f"{installation.base_url}/health", timeout=10).status_code == 200
            assert time.monotonic() - began < 5, "/health waited for the database"
            time.sleep(3)
            database.rollback()
            statuses = {call.result().status_code for call in asked}
    assert statuses <= {200, 429}, statuses
    assert 429 in statuses, "nothing was shed"


def database_slow(installation: Installation, chance: random.Random) -> None:
    """Each word to it takes 50 ms: pulls ask the portal for no more than they can store (backpressure)."""
    portal, cluster = installation.portal, installation.cluster
    with SlowWire(cluster.port, seconds=0.05) as wire:
        installation.restart_with(DATABASE_URL=cluster.url(NAME).replace(str(cluster.port), str(wire.port)))
        sent_before, stored_before = portal.pages_sent, pages_stored(installation)
        for _ in range(30):
            time.sleep(0.5)
            ahead = (portal.pages_sent - sent_before) - (pages_stored(installation) - stored_before)
            assert ahead <= MOST_PAGES_AHEAD, f"{ahead} pages were fetched that wait to be stored"
    installation.restart_with(DATABASE_URL=cluster.url(NAME))


def pages_stored(installation: Installation) -> int:
    return installation.cluster.execute(NAME, "SELECT coalesce(sum(pages), 0) FROM pulls_search")[0][0]


def redis_flushed(installation: Installation, chance: random.Random) -> None:
    for _ in range(5):
        time.sleep(chance.uniform(0.1, 0.8))
        installation.broker.flush()


def redis_restarted(installation: Installation, chance: random.Random) -> None:
    time.sleep(chance.uniform(0.2, 1.5))
    installation.broker.kill()
    time.sleep(0.5)
    installation.broker.start()


def redis_gone(installation: Installation, chance: random.Random) -> None:
    """FAULTS_REDIS_GONE_SECONDS: ten minutes when the whole matrix runs."""
    time.sleep(chance.uniform(0.1, 1))
    installation.broker.kill()
    time.sleep(float(os.environ.get("FAULTS_REDIS_GONE_SECONDS", "10")))
    installation.broker.start()


def two_beats(installation: Installation, chance: random.Random) -> None:
    second = installation.process("beat-2", "beat", BEAT_FILE=str(installation.folder / "beat-2"))
    second.start()
    time.sleep(8)
    second.ask_to_stop()
    second.wait(15)


def two_releases(installation: Installation, chance: random.Random) -> None:
    """A rolling deploy: the new workers start and serve before the old ones are asked to stop."""
    time.sleep(chance.uniform(0.2, 1))
    restart_one_after_the_other(installation)


def restart_one_after_the_other(installation: Installation) -> None:
    for place, old in enumerate(list(installation.workers)):
        new = installation.process(f"{old.name.removesuffix('-next')}-next", "worker")
        new.start()
        time.sleep(1.5)
        old.ask_to_stop()
        old.wait(60)
        installation.workers[place] = new
    installation.web.ask_to_stop()
    installation.web.wait(30)
    installation.web.start()
    installation.wait_for_web()


def clock_stepped(installation: Installation, chance: random.Random) -> None:
    """One worker five minutes ahead and one five minutes behind, side by side, then both right again."""
    for worker, seconds in zip(installation.workers, (300, -300), strict=False):
        worker.kill()
        worker.environment = worker.environment | {
            "PYTHONPATH": str(os.path.join(os.path.dirname(__file__), "clock")), "FAULTS_CLOCK_SECONDS": str(seconds),
        }  # fmt: skip
        worker.start()
    time.sleep(10)
    for worker in installation.workers:
        worker.kill()
        worker.environment = {key: value for key, value in worker.environment.items() if key != "FAULTS_CLOCK_SECONDS"}
        worker.start()


def portal_down(installation: Installation, chance: random.Random) -> None:
    """503 for everything of FHIR for some seconds, and one token request in three."""
    installation.portal.answer_badly = lambda path: 503 if "/fhir/" in path and "well-known" not in path else None
    time.sleep(4)
    installation.portal.answer_badly = lambda path: 500 if "/fhir/" in path and chance.random() < 0.2 else None
    time.sleep(4)
    installation.portal.answer_badly = lambda path: None


def receiver_down(installation: Installation, chance: random.Random) -> None:
    for status in (500, 302, 429):
        installation.receiver.answer = status
        time.sleep(2)
    installation.receiver.answer = 200


def beat_killed(installation: Installation, chance: random.Random) -> None:
    installation.beat.kill()
    time.sleep(8)
    installation.beat.start()


def everything_at_once(installation: Installation, chance: random.Random) -> None:
    """The power goes."""
    time.sleep(chance.uniform(0.3, 2.5))
    for process in installation.processes:
        process.kill()
    installation.broker.kill()
    installation.cluster.stop("immediate")
    installation.cluster.start()
    installation.broker.start()
    for process in installation.processes:
        process.start()
    installation.wait_for_web()


FAULTS = (
    Fault("a worker killed -9", worker_killed, "its pull and events go on after their lease", is_short=True),
    Fault("all workers killed -9", all_workers_killed, "everything goes on after its lease"),
    Fault("web killed -9 in a request", web_killed, "the request fails; repeated, it has happened once", is_short=True),
    Fault("database connections cut", connections_cut, "requests fail or are repeated; nothing is half done", is_short=True),
    Fault("database crashed", database_crashed, "500 while it is away; work goes on after its lease"),
    Fault("database restarted", database_restarted, "500 while it is away; work goes on after its lease"),
    Fault("serialisation failures", serialisation_failures, "the transaction is repeated by whoever asked"),
    Fault("database stalled", database_stalled, "429 with Retry-After past the threads; /health answers"),
    Fault("database slow", database_slow, "everything is slower; a pull has no more than a page a type in hand"),
    Fault("Redis flushed", redis_flushed, "wake-ups are lost: sweeps find the work within seconds", is_short=True),
    Fault("Redis restarted", redis_restarted, "wake-ups are lost: sweeps find the work within seconds"),
    Fault("Redis gone", redis_gone, "requests go on; work waits until it is back"),
    Fault("beat killed -9", beat_killed, "wake-ups still work; sweeps resume with it"),
    Fault("two beats", two_beats, "sweeps run twice as often: no effect"),
    Fault("two releases side by side", two_releases, "none: old workers finish what they hold or leave it to its lease"),
    Fault("clocks five minutes apart", clock_stepped, "leases may be taken early: fences keep the result single"),
    Fault("portal down", portal_down, "pulls go on from the last stored page"),
    Fault("receiver down", receiver_down, "events are repeated by the schedule"),
    Fault("power failure", everything_at_once, "everything goes on after its lease"),
)  # fmt: skip
