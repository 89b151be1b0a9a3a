"""What commands about one source share: how it is named, and what is said when there is none."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from connect.organizations.models import Environment
from portals.lookup import source_named
from portals.models import Source

NAMED_BY = "Its id or FHIR base URL."


class SourceCommand(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help=NAMED_BY)
        self.add_environment(parser)

    def add_environment(self, parser: CommandParser) -> None:
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)

    def source(self, environment: str, name: str) -> Source:
        """The source of this id or base URL; ends the command where there is none."""
        found = source_named(environment, name)
        if found is None:
            raise CommandError(f"No such source in the {environment} catalogue: {name}")
        return found
