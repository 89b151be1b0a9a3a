"""`connect pull`, `connect export`."""

import contextlib
import gzip
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from connect_health.cli.session import Session, pass_session, ticks
from connect_health.models import Connection, Pull


@click.command()
@click.argument("patient_id")
@click.argument("conn_id", required=False)
@click.option("--wait/--no-wait", default=True, help="Show the progress until it is over.")
@pass_session
def pull(session: Session, patient_id: str, conn_id: str | None, wait: bool) -> None:
    """Fetch a patient's records now.

    Of one connection, or of all active ones. Exit status 1: something failed.
    """
    started = [session.client.pulls.create(patient_id, each) for each in _connections(session, patient_id, conn_id)]
    settled = [_show(session, each) if wait else each for each in started]
    for each in settled:
        session.out.print(
            f"{each.id}  {each.connection_id}  {each.status}  {each.total} new or changed", soft_wrap=True
        )
    if wait and any(each.status not in ("completed", "partial") for each in settled):
        raise click.exceptions.Exit(1)


def _connections(session: Session, patient_id: str, conn_id: str | None) -> list[str]:
    if conn_id:
        return [conn_id]
    connections: list[Connection] = session.client.patients.retrieve(patient_id).connections or []
    active = [connection.id for connection in connections if connection.status == "active" and connection.id]
    if not active:
        raise click.ClickException(f"{patient_id} has no active connection: `connect flow {patient_id}` makes a link")
    return active


def _show(session: Session, pull: Pull) -> Pull:
    """Show a bar a resource type until the pull is settled."""
    columns = (
        TextColumn("{task.description:>24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
    )
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=session.told) as progress:
        for _ in ticks():
            pull = session.client.pulls.retrieve(pull.id)
            for each in pull.progress:
                if each.type not in bars:
                    bars[each.type] = progress.add_task(each.type, total=None, state="")
                total = each.fetched if each.status == "done" else each.expected
                state = each.error or each.status
                progress.update(bars[each.type], completed=each.fetched, total=total, state=state)
            if pull.finished_at:
                break
    return pull


@click.command()
@click.argument("patient_id")
@click.option("-o", "--output", default="", help="A file, .gz to compress it; - for standard output.")
@click.option("--type", "types", multiple=True, help="A FHIR resource type; may be repeated.")
@click.option("--since", type=click.DateTime(), help="Only what changed here after this time (UTC).")
@click.option("--source", help="Only of this source (fhirsrc_…).")
@pass_session
def export(
    session: Session, patient_id: str, output: str, types: tuple[str, ...], since: datetime | None, source: str | None
) -> None:
    """Save a patient's records as NDJSON.

    A resource a line, as the portals sent them.
    """
    lines = session.client.records.export(
        patient_id, type=types or None, since=since and since.replace(tzinfo=UTC), source=source
    )
    expected = expected_count(session, patient_id, types) if not since and not source else None
    target = output or f"{Path(patient_id).name}.ndjson"
    columns = TextColumn("{task.completed:,} records, {task.fields[size]}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=session.told) as progress, _opened(target) as write:
        bar, size = progress.add_task("", total=expected, size=""), 0
        for line in lines:
            size += write(line + b"\n")
            progress.update(bar, advance=1, size=f"{size / 1e6:,.1f} MB")
        count = int(progress.tasks[bar].completed)
        progress.update(bar, total=count)
    session.told.print(f"{count:,} records in {'standard output' if target == '-' else target}")


def expected_count(session: Session, patient_id: str, types: tuple[str, ...]) -> int | None:
    """About how many there will be, by what the last pull of each connection fetched; None when nobody knows."""
    newest: dict[str, Pull] = {}
    for pull in session.client.pulls.list(patient_id=patient_id).page().data:
        if pull.finished_at:
            newest.setdefault(pull.connection_id, pull)
    counts = [each.fetched for pull in newest.values() for each in pull.progress if not types or each.type in types]
    return sum(counts) or None


@contextlib.contextmanager
def _opened(target: str) -> Iterator[Callable[[bytes], int]]:
    """What writes to the file. It appears under its name when it is whole; until then it has another."""
    if target == "-":
        yield sys.stdout.buffer.write
        return
    path = Path(target)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(handle, "wb") as raw, gzip.open(raw, "wb") if path.suffix == ".gz" else raw as file:
            yield file.write
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
