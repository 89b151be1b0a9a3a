"""The `connect` command. Needs the extra: pip install 'connect-health[cli]'."""

import sys

try:
    from connect_health.cli.app import connect
except ModuleNotFoundError as error:
    if error.name not in ("click", "rich", "segno"):
        raise
    sys.exit("The connect command needs its extra: pip install 'connect-health[cli]'")


def main() -> None:
    """The entry point."""
    connect(prog_name="connect")
