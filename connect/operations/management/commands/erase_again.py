"""`manage.py erase_again`: after a restore, erase whoever was erased since the backup was made."""

from django.core.management.base import BaseCommand, CommandError

from connect.audit.actions import SYSTEM
from connect.organizations.models import DataKey, Patient
from patientflows.patients import erase_patient


class Command(BaseCommand):
    help = (
        "Erase every patient whose data key is gone. Run it after restoring a backup and the newest copy of the keys, "
        "before anything is started: who has no key was erased after the backup was made."
    )

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="Only say how many.")

    def handle(self, *, dry_run, **options):
        erased = Patient.objects.filter(key_row=None).order_by("pk")
        self.refuse_old_keys(erased)
        count = erased.count()
        if not dry_run:
            for patient in erased.iterator():
                erase_patient(patient=patient, by=SYSTEM)
        self.stdout.write(f"{count} patients {'would be' if dry_run else 'were'} erased again.")

    def refuse_old_keys(self, erased) -> None:
        """A copy of the keys from before the backup lacks those of newer patients: erasing these would be a disaster."""
        newest = DataKey.objects.order_by("-created_at").values_list("created_at", flat=True).first()
        last = erased.order_by("-created_at").values_list("created_at", flat=True).first()
        if last is not None and (newest is None or last > newest):
            raise CommandError(
                "These keys are older than the backup: some patients are newer than every key. Restore the newest copy "
                "of organizations_datakey first. Nothing was erased."
            )
