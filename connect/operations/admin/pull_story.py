"""What a pull's page tells: how far it is, what it could not have and why, what happened when, and who was told."""

import json
from collections.abc import Iterator
from datetime import timedelta

from connect import ids
from connect.audit.models import Entry
from connect.operations import labels, links
from connect.operations.admin import panels
from connect.operations.admin.words import explain_answer, explain_pull
from pulls.models import Exchange, Pull, Search
from webhooks.models import Event

# Its event is written as it ends; clocks may differ a little.
TOLD_WITHIN = timedelta(seconds=30)
ACTS = {"pull.queued": "Asked for", "pull.canceled": "Canceled", "pull.exchange_taken_out": "Exchange taken out"}


def panels_of(pull: Pull) -> list:
    """Everything, the next step first."""
    searches = list(pull.searches.defer("next_url").order_by("order"))
    events = told_by(pull)
    return [
        *advice(pull),
        *now(pull, searches),
        progress_table(pull, searches),
        panels.Timeline("What happened", story(pull, searches, events)),
        *answers_table(pull),
        *retries_table(pull),
    ]


def advice(pull: Pull) -> Iterator[panels.Advice]:
    """What is wrong, whose it is, and the next step."""
    if pull.status == Pull.Status.FAILED:
        step = "Test the portal, then retry." if pull.connection.is_active else "The patient must connect again."
        yield panels.Advice(f"It failed. {explain_pull(pull.error or 'nothing_could_be_had')}", step, "danger")
    elif pull.status == Pull.Status.PARTIAL:
        again = "It is tried again by itself." if pull.is_to_be_retried else "Retry once the portal is well."
        yield panels.Advice(f"{types(pull.errors)} could not be had; the table says why.", again)
    elif pull.status == Pull.Status.WAITING:
        step = f"It goes on by itself {labels.near(pull.due_at)}."
        yield panels.Advice(f"It waits. {explain_pull(pull.waiting_for)}", step, "info")


def now(pull: Pull, searches: list[Search]) -> Iterator[panels.Facts]:
    """Of an open pull: what its fields would say, renewed every two seconds."""
    if not pull.is_open:
        return
    over = sum(search.is_over for search in searches)
    yield panels.Facts("Now", [
        ("Status", labels.badge(pull.status)), ("Types asked", f"{over} of {len(searches)}" if searches else "not planned yet"),
        ("Fetched", sum(search.fetched for search in searches)), ("New or changed", pull.total),
        ("Could not be had", sum(search.status in (Search.Status.FAILED, Search.Status.REFUSED) for search in searches)),
        ("Started", labels.when(pull.started_at)), ("First record", labels.when(pull.first_record_at)),
        ("Runs", pull.tries),
    ], note="Renewed every two seconds.")  # fmt: skip


def progress_table(pull: Pull, searches: list[Search]) -> panels.Table:
    """Every search of the pull."""
    return panels.Table(
        "Progress", ("Type", "Status", "Fetched", "Stored", "Unchanged", "Unreadable", "Pages", "Why not"),
        [(row.resource_type, labels.badge(row.status), fetched(row), row.stored, row.unchanged, row.unreadable, row.pages,
          row.error or "–") for row in searches],
        more=links.rows("pulls.record", pull_id=pull.pk, patient=pull.patient_id),
        empty="The plan is not made yet." if pull.is_open else "Nothing was asked for.",
        note=f"{pull.get_status_display()}: {pull.total} new or changed, {types(pull.errors)} could not be had.",
    )  # fmt: skip


def story(pull: Pull, searches: list[Search], events: list[Event]) -> list[panels.Moment]:
    """From being asked for to being told of, in the order of time."""
    return sorted([*_lifetime(pull), *_acts(pull), *_lacking(pull, searches), *_told(events)], key=lambda one: one.at)


def _lifetime(pull: Pull) -> Iterator[panels.Moment]:
    why = pull.get_trigger_display().lower()
    of = links.to("pulls.pull", pull.retry_of_id, f"asks again for what {pull.retry_of_id} lacked")
    yield panels.Moment(pull.created_at, f"Queued ({why})", "info", of if pull.retry_of_id else "")
    if pull.started_at:
        yield panels.Moment(pull.started_at, "Started", "info", links.to("portals.connection", pull.connection_id))
    if pull.first_record_at:
        found = links.outward(
            links.rows("pulls.record", pull_id=pull.pk, patient=pull.patient_id), "what this pull brought"
        )
        yield panels.Moment(pull.first_record_at, "First record stored", "success", found)
    if pull.status == Pull.Status.WAITING:
        yield panels.Moment(pull.due_at, "Goes on", "info", explain_pull(pull.waiting_for))
    if pull.finished_at:
        ended = f"Ended: {pull.get_status_display().lower()}"
        text = explain_pull(pull.error) if pull.error else f"{pull.total} new or changed"
        yield panels.Moment(pull.finished_at, ended, labels.TONES.get(pull.status, ""), text)


def _acts(pull: Pull) -> Iterator[panels.Moment]:
    """What people did with it, from the audit log."""
    entries = Entry.objects.filter(object_type="pull", object_id=pull.pk, action__in=ACTS).exclude(actor_kind="system")
    for entry in entries.order_by("pk")[: panels.SHOWN]:
        who = f"{entry.actor_kind.replace('_', ' ')} {entry.actor}"
        yield panels.Moment(entry.at, f"{ACTS[entry.action]} by {who}", "info")


def _lacking(pull: Pull, searches: list[Search]) -> Iterator[panels.Moment]:
    """Types that ended badly, where the pull ended: no search has a time of its own."""
    if pull.finished_at is None:
        return
    bad = (Search.Status.FAILED, Search.Status.REFUSED, Search.Status.PARTIAL)
    for search in searches:
        if search.status in bad:
            title = f"{search.resource_type}: {search.get_status_display().lower()}"
            text = f"The portal said: {explain_answer(search.error or '')}."
            yield panels.Moment(pull.finished_at, title, labels.TONES[search.status], text)


def _told(events: list[Event]) -> Iterator[panels.Moment]:
    for event in events:
        title = f"Told: {event.type} ({event.get_status_display().lower()})"
        yield panels.Moment(
            event.created_at, title, labels.TONES.get(event.status, ""), links.to("webhooks.event", event.pk)
        )


def told_by(pull: Pull) -> list[Event]:
    """The events that told of its end."""
    if pull.finished_at is None:
        return []
    begins, ends = (ids.oldest_id("evt", pull.finished_at + way * TOLD_WITHIN) for way in (-1, 1))
    rows = Event.objects.of(pull).filter(patient_id=pull.patient.patient_id, pk__gte=begins, pk__lte=ends)
    sync = rows.filter(type__startswith="records.sync.").defer("last_response_body").order_by("pk")
    return [event for event in sync[: panels.SHOWN] if event.data.get("object", {}).get("pull_id") == pull.pk]


def answers_table(pull: Pull) -> Iterator[panels.Table]:
    """What the portal answered where it did not answer well; without a word about the patient."""
    kept = Exchange.objects.filter(pull=pull).first()
    if kept is None:
        return
    told = json.loads(kept.told)
    calls = [call for call in told["calls"] if call["verdict"] != "ok"]
    left_out = told.get("calls_left_out", 0)
    more = f" {left_out} more were made and not kept: it was full." if left_out else ""
    yield panels.Table(
        "What the portal answered", ("Asked for", "Status", "Meaning", "Reason", "Took"),
        [(call["url"], call["status"] or "–", labels.badge(call["verdict"], "warning"), explain_answer(call["reason"]),
          labels.duration(call["elapsed_ms"])) for call in calls[: panels.SHOWN]],
        empty="Every answer that is kept was well.",
        note=f"Calls kept: {kept.calls}; every value is replaced. “Exchange” takes them all out.{more}",
    )  # fmt: skip


def retries_table(pull: Pull) -> Iterator[panels.Table]:
    """Pulls that asked again for what this one lacked."""
    rows = list(pull.retries.order_by("-pk")[: panels.SHOWN])
    if rows:
        yield panels.Table(
            "Asked again", ("Pull", "Status", "New or changed", "Types failed", "Made"),
            [(links.to("pulls.pull", row.pk), labels.badge(row.status), row.total, row.errors, labels.when(row.created_at))
             for row in rows],
        )  # fmt: skip


def types(count: int) -> str:
    """`1 type`, `3 types`."""
    return "1 type" if count == 1 else f"{count} types"


def fetched(search: Search) -> str:
    """How many came, of how many the portal said there are."""
    return f"{search.fetched} of {search.expected}" if search.expected is not None else str(search.fetched)
