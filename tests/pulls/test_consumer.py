"""A consumer that keeps its last cursor sees every version exactly once, none skipped, while several connections of the
patient are pulled at once (contract 5)."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection as database

from pulls.actions import queue_pull
from pulls.models import Pull, Record
from pulls.run import run_pull
from tests.factories import ApiClient, make_key
from tests.pulls.scripted import ScriptedPortal, bundle, fhir, observation

CONNECTIONS, PAGES, ROUNDS = 3, 6, 3
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(database.vendor == "sqlite", reason="threads need a database they can share"),
]


class Tail:
    """Reads on from its last cursor until it is told that nothing more comes."""

    def __init__(self, secret: str):
        self.api, self.seen, self.cursor = ApiClient(secret), [], None
        self.is_over = threading.Event()

    def run(self) -> None:
        try:
            while True:
                last = self.is_over.is_set()
                if not self.read() and last:
                    return
        finally:
            database.close()

    def read(self) -> int:
        cursor = {"starting_after": self.cursor} if self.cursor else {}
        page = self.api.get("/patients/p-1/records", {"count": 7, **cursor}).json()
        self.seen += [
            (item["source"], item["resource"]["resourceType"], item["resource"]["id"], item["resource"].get("round"))
            for item in page["data"]
        ]
        self.cursor = page["next_cursor"] or self.cursor
        return len(page["data"])


def answers(portal: ScriptedPortal, round_: int) -> None:
    """Six pages of ten Observations, all of them new in each round."""

    def answer(request):
        number = int(request.parameters.get("page", ["1"])[0])
        following = f"{portal.base}/Observation?page={number + 1}" if number < PAGES else None
        resources = [observation(f"o-{number}-{n}", round=round_) for n in range(10)]
        return fhir(bundle(*resources, total=PAGES * 10, following=following))

    portal.on("/fhir/Observation", answer)


def work(pull_id: str) -> str:
    try:
        run_pull(pull_id)
        return Pull.objects.get(pk=pull_id).status
    finally:
        database.close()


def test_every_version_is_seen_once_and_none_is_skipped(organization, connected):
    portals = [ScriptedPortal().__enter__() for _ in range(CONNECTIONS)]
    connections = [connected(portal=portal) for portal in portals]
    tails = [Tail(make_key(organization)) for _ in range(2)]
    with ThreadPoolExecutor(CONNECTIONS + len(tails)) as threads:
        reading = [threads.submit(tail.run) for tail in tails]
        for round_ in range(ROUNDS):
            for portal in portals:
                answers(portal, round_)
            pulls = [queue_pull(connection=each, trigger=Pull.Trigger.MANUAL).pk for each in connections]
            assert set(threads.map(work, pulls)) == {"completed"}
        for tail in tails:
            tail.is_over.set()
        for future in reading:
            future.result(60)
    for portal in portals:
        portal.__exit__()

    latest = {(row.source_id, row.resource_type, row.resource_id): row.position for row in Record.objects.all()}
    assert len(set(latest.values())) == len(latest) == CONNECTIONS * (PAGES * 10 + 1)
    for tail in tails:
        assert len(tail.seen) == len(set(tail.seen)), "a version was seen twice"
        final = {key for *key, round_ in tail.seen if round_ in (ROUNDS - 1, None) for key in [tuple(key)]}
        assert final == latest.keys(), "a version was skipped"
    assert json.dumps(tails[0].cursor)
