"""What we know of a patient's records over all connections, in sentences a support desk can send (contract 5.1)."""

from connect.organizations.fields import InstantField
from connect.organizations.models import Patient
from portals.models import Connection
from pulls.models import Pull, Record, Search
from pulls.outcome import TypeProgress
from pulls.retries import SETTLED, progress_together

instant = InstantField().to_representation


def completeness_of(patient: Patient) -> dict:
    """One entry a connection, each with its sentences."""
    connections = Connection.objects.filter(patient=patient).select_related("source").order_by("-pk")
    return {
        "resource_type": "completeness",
        "patient_id": patient.patient_id,
        "connections": [_of_connection(connection) for connection in connections],
    }


def _of_connection(connection: Connection) -> dict:
    pulls = Pull.objects.filter(connection=connection).order_by("-pk")
    last = pulls.filter(status__in=SETTLED).first()
    progress = progress_together(last) if last else []
    complete = [one.type for one in progress if one.status == Search.Status.DONE]
    return {
        "id": connection.pk,
        "connection_id": connection.source_id,
        "name": connection.source.name,
        "status": connection.status,
        "last_pull_id": last and last.pk,
        "last_pulled_at": instant(connection.last_pulled_at),
        "is_complete": bool(last) and last.status == Pull.Status.COMPLETED,
        "types_complete": complete,
        "types_lacking": [one.type for one in progress if one.status in LACKING],
        "sentences": sentences(connection, last, progress),
    }


LACKING = (Search.Status.REFUSED, Search.Status.FAILED, Search.Status.PARTIAL)
WORDS = {
    Search.Status.REFUSED: "refused to share {type}",
    Search.Status.FAILED: "could not deliver {type}",
    Search.Status.PARTIAL: "delivered only some of {type}",
}


def sentences(connection: Connection, pull: Pull | None, progress: list[TypeProgress]) -> list[str]:
    """Plain words for what is here, what is not, and why."""
    name = connection.source.name
    if pull is None:
        return [f"Nothing has been fetched from {name} yet."]
    lines = [_summary(name, pull)]
    lines += [
        f"{name} {WORDS[one.status].format(type=one.type)} ({one.error or 'no reason given'})."
        for one in progress
        if one.status in LACKING
    ]
    held = set(_held(connection)) if any(_found_nothing(one) for one in progress) else set()
    empty = [one.type for one in progress if _found_nothing(one) and one.type not in held]
    if empty:
        lines.append(f"{name} was asked for {', '.join(empty)} and has none.")
    skipped = [one.type for one in progress if one.status == Search.Status.SKIPPED]
    if skipped:
        lines.append(f"{name} does not offer {', '.join(skipped)}.")
    if connection.scopes_missing:
        lines.append(f"The patient or {name} did not grant {', '.join(connection.scopes_missing)}.")
    return lines + _of_access(connection)


def _found_nothing(one: TypeProgress) -> bool:
    """Nothing came of a whole search; where it asked for changes only, there may be some here all the same."""
    return one.status == Search.Status.DONE and not one.fetched


def _held(connection: Connection):
    present = Record.objects.filter(connection=connection).exclude(change=Record.Change.GONE)
    return present.order_by().values_list("resource_type", flat=True).distinct()


def _summary(name: str, pull: Pull) -> str:
    when = instant(pull.finished_at)
    if pull.status == Pull.Status.COMPLETED:
        return f"Everything asked for was fetched from {name} at {when}."
    if pull.status == Pull.Status.PARTIAL:
        return f"Part of the records could be fetched from {name} at {when}; the rest is tried again."
    return f"Nothing could be fetched from {name} at {when} ({pull.error or 'see the manifest'})."


def _of_access(connection: Connection) -> list[str]:
    if connection.is_active:
        return []
    name, status = connection.source.name, connection.status
    return [f"Access to {name} has ended ({status}): the patient must reconnect for new records."]
