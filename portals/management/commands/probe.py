"""`manage.py probe fhirsrc_… | https://…`: look at a portal now; `--due` for all whose time has come."""

from portals import probing
from portals.management.source_command import NAMED_BY, SourceCommand
from portals.models import Source


class Command(SourceCommand):
    help = "Read a source's discovery document now and mark the source by it."

    def add_arguments(self, parser):
        parser.add_argument("source", nargs="?", help=NAMED_BY)
        self.add_environment(parser)
        parser.add_argument("--due", action="store_true", help="Every source whose time has come.")

    def handle(self, *, source, environment, due, **options):
        if due:
            while probing.probe_due():
                pass
            return
        self.tell(self.source(environment, source or ""))

    def tell(self, source: Source) -> None:
        diagnosis = probing.probe(source)
        self.stdout.write(f"{source.pk} {source.name}: {source.status}")
        if diagnosis:
            self.stdout.write(f"  {diagnosis.slug}: {diagnosis.text}")
