"""`manage.py probe fhirsrc_… | https://…`: look at a portal now; `--due` for all whose time has come."""

from django.core.management.base import BaseCommand, CommandError

from connect.organizations.models import Environment
from portals import probing
from portals.lookup import source_named
from portals.models import Source


class Command(BaseCommand):
    help = "Read a source's discovery document now and mark the source by it."

    def add_arguments(self, parser):
        parser.add_argument("source", nargs="?", help="Its id or FHIR base URL.")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION)
        parser.add_argument("--due", action="store_true", help="Every source whose time has come.")

    def handle(self, *, source, environment, due, **options):
        if due:
            while probing.probe_due():
                pass
            return
        found = source_named(environment, source or "")
        if found is None:
            raise CommandError(f"No such source in the {environment} catalogue: {source}")
        self.tell(found)

    def tell(self, source: Source) -> None:
        diagnosis = probing.probe(source)
        self.stdout.write(f"{source.pk} {source.name}: {source.status}")
        if diagnosis:
            self.stdout.write(f"  {diagnosis.slug}: {diagnosis.text}")
