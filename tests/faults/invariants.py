"""What must hold after every fault, seen from outside and by `manage.py verify`."""

import json
import time
from collections import Counter

from tests.faults.installation import NAME, Installation
from tests.faults.patients import Story

SETTLE_SECONDS = 90


class Broken(AssertionError):
    """An invariant does not hold."""


def everything_holds(installation: Installation, stories: list[Story]) -> None:
    """Wait until all that was begun has ended, then look. Raises Broken."""
    for story in stories:
        if not story.is_back:
            raise Broken(f"{story.patient_id} never came back: {story.failure}")
    settled(installation, stories)
    for story in stories:
        one_connection_with_all_records_once(installation, story)
        every_event_once(installation, story)
    if installation.receiver.refused:
        raise Broken(f"signatures: {installation.receiver.refused[:2]}")
    twice = [code for code, times in installation.portal.spent.items() if times > 1]
    if twice:
        raise Broken(f"{len(twice)} codes were sent twice")
    nothing_is_logged_that_must_not_be(installation)
    verified(installation)


def settled(installation: Installation, stories: list[Story]) -> None:
    """No pull open, no event undelivered, no attempt pending, of anybody."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        if not open_work(installation) and all(synced(installation, story) for story in stories):
            return
        time.sleep(0.5)
        installation.let_time_pass(30)
    raise Broken(f"still open after {SETTLE_SECONDS} s: {open_work(installation)}")


def synced(installation: Installation, story: Story) -> bool:
    return bool(installation.receiver.of(story.patient_id, "records.sync.completed"))


def open_work(installation: Installation) -> dict[str, int]:
    counts = installation.cluster.execute(
        NAME,
        "SELECT 'pulls', count(*) FROM pulls_pull WHERE status IN ('queued', 'running', 'waiting') UNION ALL "
        "SELECT 'events', count(*) FROM webhooks_event WHERE status = 'pending' UNION ALL "
        "SELECT 'attempts', count(*) FROM patientflows_attempt WHERE status = 'pending' AND stage <> 'left'",
    )
    return {name: count for name, count in counts if count}


def one_connection_with_all_records_once(installation: Installation, story: Story) -> None:
    patient = installation.call("GET", f"/patients/{story.patient_id}")
    active = [each for each in patient["connections"] if each["status"] == "active"]
    if len(active) != 1:
        raise Broken(f"{story.patient_id} has {len(active)} active connections")
    held, has = installation.records(story.patient_id), installation.portal.holdings(story.patient_id)
    if held != has:
        raise Broken(f"{story.patient_id}: {len(held)} of {len(has)} resources, or changed ones")


def every_event_once(installation: Installation, story: Story) -> None:
    """At least once to the receiver, under one id a fact."""
    events = installation.receiver.of(story.patient_id)
    facts = {(event["id"]): (event["type"], _about(event)) for event in events}
    for fact, times in Counter(facts.values()).items():
        if times > 1 and fact[0] != "connection.active":
            raise Broken(f"{fact[0]} of {fact[1]} under {times} ids")
    completed = {event["data"]["object"]["id"] for event in events if event["type"] == "patient_flow.completed"}
    if completed != set(story.flows):
        raise Broken(f"{story.patient_id}: flows {story.flows}, told of {sorted(completed)}")


def _about(event: dict) -> str:
    body = event["data"]["object"]
    return body.get("pull_id") or body.get("id") or ""


def nothing_is_logged_that_must_not_be(installation: Installation) -> None:
    said = installation.logs()
    secrets = [installation.key, installation.receiver.secret, "canary-phi", *installation.portal.access,
               *installation.portal.refresh, *installation.portal.codes]  # fmt: skip
    found = [secret for secret in secrets if secret in said]
    if found:
        line = next(line for line in said.splitlines() if found[0] in line)
        raise Broken(f"a secret is in the logs: {line[:400]}")


def verified(installation: Installation) -> None:
    """`manage.py verify`, once more if work had not come round yet."""
    for last in (False, True):
        done = installation.manage("verify", "--json", check=False, seconds=900)
        found = [finding for line in done.stdout.splitlines() if (finding := json.loads(line))["count"]]
        if not found and done.returncode == 0:
            return
        if last:
            raise Broken(f"verify: {found or done.stderr.strip().splitlines()[-1][:300]}")
        installation.let_time_pass()
        time.sleep(8)
