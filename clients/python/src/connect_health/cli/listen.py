"""`connect listen`"""

import signal
import time

import click

from connect_health.cli.forwarding import Forwarded, Forwarder, drop_mailbox, full_url, last_sequence, make_mailbox
from connect_health.cli.session import Session, pass_session
from connect_health.errors import ApiError, AuthenticationError, NoAnswer, NotFound, PermissionDenied

LONGEST_WAIT_SECONDS = 30.0


@click.command()
@click.option("--forward-to", required=True, metavar="ADDRESS", help="Such as localhost:3000/webhooks, or a port.")
@click.option("--events", "types", multiple=True, default=("*",), help="An event type; may be repeated. Default: all.")
@click.option("--webhook", metavar="WH_ID", help="Forward an existing endpoint's events, rather than all of the key's.")
@click.option("--secret", envvar="CONNECT_WEBHOOK_SECRET", help="What to sign with; needed with --webhook.")
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between looks.")
@pass_session
def listen(
    session: Session, forward_to: str, types: tuple[str, ...], webhook: str | None, secret: str | None, every: float
) -> None:
    """Forward webhooks to this machine.

    Signed, in order, until Ctrl-C. Connect need not be able to reach this machine. The receiver verifies with the secret that is printed first.
    """
    if webhook and not secret:
        raise click.UsageError("--webhook needs --secret (or CONNECT_WEBHOOK_SECRET): a secret is shown only once")
    try:
        to = full_url(forward_to)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mailbox = None if webhook else make_mailbox(session.client, types)
    try:
        secret = secret or (mailbox.secret if mailbox else None) or ""
        after = last_sequence(session.client, webhook) if webhook else 0
        forwarder = Forwarder(
            session.client, webhook_id=webhook or (mailbox.id if mailbox else ""), after=after, to=to, secret=secret
        )
        session.out.print(f"Forwarding to {to}. The signing secret is {secret}", soft_wrap=True)
        run(session, forwarder, every)
    except KeyboardInterrupt:
        session.told.print("Stopped.")
    finally:
        if mailbox:
            drop_mailbox(session.client, mailbox.id)


def run(session: Session, forwarder: Forwarder, every: float) -> None:
    """Forward for ever. A server that is away for a while is waited for; a key or endpoint that is gone ends it."""
    wait = every
    while True:
        try:
            for forwarded in forwarder.forward_new():
                session.out.print(line(forwarded), soft_wrap=True)
            wait = every
        except (AuthenticationError, PermissionDenied, NotFound):
            raise
        except (NoAnswer, ApiError) as error:
            wait = min(LONGEST_WAIT_SECONDS, wait * 2)
            session.told.print(f"{error}; looking again in {wait:.0f} s", style="yellow")
        time.sleep(wait)


def line(forwarded: Forwarded) -> str:
    """One forwarded event in a line."""
    event, colour = forwarded.event, "green" if forwarded.ok else "red"
    answer = forwarded.status or forwarded.error
    return (
        f"{time.strftime('%H:%M:%S')}  #{event.sequence}  {event.type}  {event.id}  "
        f"[{colour}]{answer}[/{colour}]  {forwarded.duration_ms} ms"
    )
