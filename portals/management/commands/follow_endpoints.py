"""`manage.py follow_endpoints fhirsrc_… | https://…`: the portal said that its endpoints did move to another host."""

from django.core.management.base import CommandError

from connect.audit.actions import SYSTEM
from connect.errors import ResourceConflict
from portals import actions
from portals.management.source_command import SourceCommand


class Command(SourceCommand):
    help = "Let grants made before follow a source's endpoints to another host. Ask the portal first: who can change"
    help += " what it publishes could have secrets and refresh tokens sent to themselves."

    def handle(self, *, source, environment, **options):
        found = self.source(environment, source)
        try:
            followed = actions.follow_endpoints(source=found, by=SYSTEM)
        except ResourceConflict as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{found.name}: connections that follow: {followed}.")
