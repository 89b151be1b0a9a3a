"""`connect events`"""

from collections.abc import Iterator

import click

from connect_health.cli.session import Session, pass_session, ticks
from connect_health.models import Event

REMEMBERED = 5_000


@click.command()
@click.option("--webhook", metavar="WH_ID", help="Of one endpoint only.")
@click.option("--type", "kind", help="Of one type only, such as connection.active.")
@click.option("-n", "--lines", type=click.IntRange(0, 100), default=10, show_default=True, help="How many of the last.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@pass_session
def events(session: Session, webhook: str | None, kind: str | None, lines: int, follow: bool) -> None:
    """Show the last events, and follow new ones.

    One line for each event and endpoint.
    """
    for event in tail(session, webhook, kind, lines, follow):
        session.out.print(line(event), soft_wrap=True)


def tail(session: Session, webhook: str | None, kind: str | None, lines: int, follow: bool) -> Iterator[Event]:
    """The last events, oldest first, then new ones as they come."""
    asked = session.client.events.list(webhook_id=webhook, type=kind, limit=100)
    first = asked.page().data
    yield from reversed(first[:lines])
    seen = dict.fromkeys(event.id for event in reversed(first))
    for _ in ticks() if follow else ():
        new = []
        for event in asked:  # newest first: a page that holds something known is the last one to read
            if event.id in seen:
                break
            new.append(event)
        for event in reversed(new):
            seen[event.id] = None
            yield event
        while len(seen) > REMEMBERED:
            del seen[next(iter(seen))]


def line(event: Event) -> str:
    """An event in a line."""
    state = "delivered" if event.delivered_at else event.status or "pending"
    if event.last_status_code and not event.delivered_at:
        state += f" (last answer {event.last_status_code})"
    number = f"#{event.sequence}" if event.sequence else "#…"
    return "  ".join(
        [f"{event.created_at:%Y-%m-%d %H:%M:%S}", event.id, event.webhook_endpoint_id, number, event.type,
         event.patient_id or "-", state]
    )  # fmt: skip
