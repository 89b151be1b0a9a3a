"""`manage.py register fhirsrc_… | https://…`: register an app where the portal offers it (RFC 7591)."""

import os

from django.core.management.base import CommandError

from connect.audit.actions import SYSTEM
from portals import actions, registrations
from portals.management.source_command import SourceCommand
from portals.models import Registration
from portals.smart.errors import SmartError


class Command(SourceCommand):
    help = "Register an app at a source by dynamic client registration. An initial access token is read from"
    help += " REGISTRATION_TOKEN in the environment, never from the command line."

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument("--method", choices=Registration.Method.values, default="private_key_jwt")

    def handle(self, *, source, environment, method, **options):
        found = self.source(environment, source)
        token = os.environ.get("REGISTRATION_TOKEN") or None
        try:
            registration = actions.register_portal(source=found, by=SYSTEM, method=method, initial_access_token=token)
        except registrations.NoRegistration:
            raise CommandError("This portal offers no registration endpoint: register by hand.") from None
        except SmartError as error:
            raise CommandError(f"The portal did not register us: {error.reason}") from None
        self.stdout.write(f"{registration.pk}: client id {registration.client_id}, {registration.method}")
        self.stdout.write(f"redirect URI {registrations.redirect_uri(registration)}")
