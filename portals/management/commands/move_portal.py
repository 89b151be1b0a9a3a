"""`manage.py move_portal OLD NEW --at 2027-03-01T00:00Z`: another source takes over then; `--stays` takes that back."""

from datetime import datetime

from django.core.management.base import CommandError
from django.utils import timezone

from connect.audit.actions import SYSTEM
from connect.errors import InvalidData
from portals import actions
from portals.management.source_command import NAMED_BY, SourceCommand


class Command(SourceCommand):
    help = "Announce that a source is followed by another: access ends at the time given, and each connection is told"
    help += " seven days before. With --stays instead: it is not followed after all."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("successor", nargs="?", help=f"The source that takes over. {NAMED_BY}")
        parser.add_argument("--at", type=datetime.fromisoformat, help="When, in ISO 8601 with its offset.")
        parser.add_argument("--stays", action="store_true", help="Take an announced move back.")

    def handle(self, *, source, successor, at, stays, environment, **options):
        moving = self.source(environment, source)
        if stays:
            actions.cancel_move(source=moving, by=SYSTEM)
            self.stdout.write(f"{moving.name} stays.")
            return
        if not successor or at is None or timezone.is_naive(at):
            raise CommandError("Name the successor, and --at with its offset, as 2027-03-01T00:00Z.")
        to = self.source(environment, successor)
        try:
            told = actions.move_portal(source=moving, successor=to, moves_at=at, by=SYSTEM)
        except InvalidData as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{moving.name} moves at {at.isoformat()}; connections that end then: {told}.")
