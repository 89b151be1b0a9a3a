"""`manage.py preflight fhirsrc_… | https://…`: would a patient sent there now come back connected?"""

from django.core.management.base import BaseCommand, CommandError

from connect.audit.actions import SYSTEM
from connect.organizations.models import Environment
from portals import actions
from portals.lookup import source_named


class Command(BaseCommand):
    help = "Check discovery and every registration at one source, and say what is wrong. Exit code 1 if anything is."

    def add_arguments(self, parser):
        parser.add_argument("source", help="Its id or FHIR base URL.")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)

    def handle(self, *, source, environment, **options):
        found = source_named(environment, source)
        if found is None:
            raise CommandError(f"No such source in the {environment} catalogue: {source}")
        diagnoses = actions.probe_portal(source=found, by=SYSTEM)
        for what, diagnosis in diagnoses.items():
            self.stdout.write(f"{what}: " + (f"{diagnosis.slug}: {diagnosis.text}" if diagnosis else "all well"))
        if any(diagnoses.values()):
            raise CommandError("Patients should not be sent there before this is mended.", returncode=1)
