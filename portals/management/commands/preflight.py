"""`manage.py preflight fhirsrc_… | https://…`: would a patient sent there now come back connected?"""

from django.core.management.base import CommandError

from connect.audit.actions import SYSTEM
from portals import actions
from portals.management.source_command import SourceCommand


class Command(SourceCommand):
    help = "Check discovery and every registration at one source, and say what is wrong. Exit code 1 if anything is."

    def handle(self, *, source, environment, **options):
        diagnoses = actions.probe_portal(source=self.source(environment, source), by=SYSTEM)
        for what, diagnosis in diagnoses.items():
            self.stdout.write(f"{what}: " + (f"{diagnosis.slug}: {diagnosis.text}" if diagnosis else "all well"))
        if any(diagnoses.values()):
            raise CommandError("Patients should not be sent there before this is mended.", returncode=1)
