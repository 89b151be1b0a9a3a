"""`manage.py demo`: load the demo and run all of Connect in this terminal (what `make demo` calls)."""

import signal
import sys
import time

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections

from connect.operations import roles
from connect.operations.demo import access_file, catalogue, organisation, supervisor
from connect.operations.demo.processes import die_with_parent

READY = """
Connect is running.

  Start here        {example_app_url}
  Operations        {admin_url}   {admin_user} / {admin_password}
  Pretend portals   {base_url}/sandbox/
  API               {base_url}   Authorization: Bearer {api_key}

  All of this is in {file}. Ctrl-C stops everything and keeps the data.
"""


class Command(BaseCommand):
    help = "Load the demo and run web, worker and schedule until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("--with-parent", action="store_true", help="Stop when the process that started this dies.")

    def handle(self, *args, with_parent, **options):
        if not settings.DEMO:
            raise CommandError("The demo runs with DEMO=1: `make demo`, or `DEMO=1 python manage.py demo`.")
        if with_parent:
            die_with_parent(signal.SIGTERM)
        try:
            with supervisor.sole_use_of(settings.DATA_DIR):
                self.run_demo()
        except supervisor.CannotRun as problem:
            raise CommandError(str(problem)) from None
        except KeyboardInterrupt:
            sys.exit(130)

    def run_demo(self):
        began = time.monotonic()
        known = access_file.put_aside(settings.DATA_DIR)
        self.prepare()
        access = organisation.load(known)
        offered = catalogue.load()
        connections.close_all()
        self.stdout.write(f"Catalogue: {offered:,} portals. Starting …")

        def when_ready():
            file = access_file.write(settings.DATA_DIR, access)
            self.stdout.write(READY.format(file=file, **vars(access)))
            self.stdout.write(f"Ready after {time.monotonic() - began:.0f} s.")
            self.stdout.flush()

        supervisor.run(access, when_ready=when_ready)
        self.stdout.write("Stopped.")

    def prepare(self):
        call_command("migrate", interactive=False, verbosity=0)
        roles.install()
        call_command("sandbox_data")
        if not settings.WHITENOISE_USE_FINDERS:
            call_command("collectstatic", interactive=False, verbosity=0)
