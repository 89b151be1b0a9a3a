"""The command's frame: where the server is, which key, and errors as sentences."""

from typing import Any

import click

from connect_health._version import __version__
from connect_health.cli.events import events
from connect_health.cli.flows import flow, search, watch
from connect_health.cli.listen import listen
from connect_health.cli.records import export, pull
from connect_health.cli.session import Session
from connect_health.errors import ApiError, ConnectError


class Commands(click.Group):
    """Tells of what the API refuses as click tells of a wrong option, not as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ApiError as error:
            more = f"\n{error.doc_url}" if error.doc_url else ""
            raise click.ClickException(f"{error}{more}") from error
        except ConnectError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--api-key", envvar="CONNECT_KEY", default="", help="Default: CONNECT_KEY.")
@click.option("--base-url", envvar="CONNECT_URL", default="", help="The server. Default: CONNECT_URL.")
@click.version_option(__version__, prog_name="connect")
@click.pass_context
def connect(ctx: click.Context, api_key: str, base_url: str) -> None:
    """Patient-authorised health records, from the terminal.

    The key is best given by the environment: what stands in a command can be read by others on this machine.
    """
    ctx.obj = Session(api_key, base_url)
    ctx.call_on_close(ctx.obj.close)


for command in (flow, watch, search, pull, export, events, listen):
    connect.add_command(command)
