"""`connect flow`, `connect watch`, `connect search`."""

import io

import click
import segno
from rich.table import Table

from connect_health.cli.session import Session, pass_session, ticks
from connect_health.models import PatientFlow


@click.command()
@click.argument("patient_id")
@click.option("--portal", help="Straight to one portal: a fhirsrc_ id, a FHIR base URL, or words to search by.")
@click.option("--reconnect", metavar="CONN_ID", help="Straight to the portal of a connection that has ended.")
@click.option("--return-url", help="Where the patient ends up. Default: the server's own documentation.")
@click.option("--label", help="What the button back is called.")
@click.option("--expires-in", type=click.IntRange(60, 86400), help="Seconds that the link lives.")
@click.option("--locale", type=click.Choice(["en", "es"]))
@click.option("--qr/--no-qr", default=True, help="Show the link as a QR code too.")
@click.option("--watch", "watching", is_flag=True, help="Go on and tell what the patient does.")
@pass_session
def flow(
    session: Session, patient_id: str, portal: str | None, reconnect: str | None, return_url: str | None,
    label: str | None, expires_in: int | None, locale: str | None, qr: bool, watching: bool,
) -> None:  # fmt: skip
    """Make a link for a patient and print it.

    With a QR code for a phone. The link alone goes to standard output.
    """
    made = session.client.patient_flows.create(
        patient_id=patient_id, return_url=return_url or f"{session.base_url}/docs/", return_button_label=label,
        expires_in=expires_in, locale=locale, reconnect=reconnect,
        connection_id=source_named(session, portal) if portal else None,
    )  # fmt: skip
    if qr and made.url:
        session.told.print(qr_code(made.url), soft_wrap=True)
    session.out.print(made.url, soft_wrap=True)
    session.told.print(f"{made.id}, open until {made.expires_at:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    if watching:
        follow(session, made.id)


@click.command()
@click.argument("flow_id")
@pass_session
def watch(session: Session, flow_id: str) -> None:
    """Tell what a patient does, step by step.

    Until the flow is over. Exit status 1: nothing was connected.
    """
    follow(session, flow_id)


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@pass_session
def search(session: Session, words: tuple[str, ...], limit: int) -> None:
    """Find portals by name; typos are forgiven."""
    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "type"):
        table.add_column(column, overflow="fold", no_wrap=column == "id")
    for source in session.client.connections.list(q=" ".join(words), limit=limit).page().data:
        table.add_row(source.id, source.name, source.type or "")
    session.out.print(table)


def source_named(session: Session, portal: str) -> str:
    """A source's id or URL as it is; words are searched for, and the best match is taken and told."""
    if portal.startswith(("fhirsrc_", "http://", "https://")):
        return portal
    found = session.client.connections.list(q=portal, limit=1).page().data
    if not found:
        raise click.ClickException(f"No portal is called {portal}")
    session.told.print(f"To {found[0].name} ({found[0].id})", style="dim")
    return found[0].id


def qr_code(link: str) -> str:
    """The link as a QR code for a terminal."""
    drawn = io.StringIO()
    segno.make(link, error="l").terminal(drawn, compact=True, border=2)
    return drawn.getvalue()


def follow(session: Session, flow_id: str) -> None:
    """Print a flow's steps until it is over, then what came of it."""
    told = 0
    for _ in ticks():
        flow = session.client.patient_flows.retrieve(flow_id)  # before the steps, so that none is missed at the end
        steps = session.client.patient_flows.timeline(flow_id).steps
        for step in steps[told:]:
            where = f" {step.connection_id}" if step.connection_id else ""
            session.out.print(f"{step.at:%H:%M:%S}  {step.kind}{where}  {step.outcome}".rstrip())
        told = len(steps)
        if flow.status != "open":
            return _settled(session, flow)


def _settled(session: Session, flow: PatientFlow) -> None:
    for connection in flow.connections:
        why = f" ({connection.failure_code})" if connection.failure_code else ""
        session.out.print(f"{connection.connection_id}: {connection.status}{why}  {connection.id or ''}".rstrip())
    session.out.print(f"The flow is {flow.status}.")
    if not any(connection.status == "active" for connection in flow.connections):
        raise click.exceptions.Exit(1)
