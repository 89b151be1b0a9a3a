"""`manage.py import_connections connections.csv --organization trials --environment production`"""

from datetime import timedelta

from connect.operations.importing import connections
from connect.operations.importing.command import ImportCommand


class Command(ImportCommand):
    help = (
        "Import connections with their refresh tokens from CSV; tokens are sealed as they are read. Can be run again: "
        "a connection that is there is left alone. Delete the file afterwards: it holds what opens patients' records."
    )
    required, known = connections.REQUIRED, connections.KNOWN

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--spread-minutes", type=int, default=10, help="First refreshes come within this time, at random."
        )

    def taker(self, caller, by, options):
        spread = timedelta(minutes=options["spread_minutes"])
        return connections.ConnectionImport(caller=caller, by=by, spread=spread)
