"""What both import commands share: whose data it is, reading the file, dry runs, and the report."""

from abc import ABC, abstractmethod
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from connect.audit.actions import Actor
from connect.operations.importing.rows import FileUnreadable, Report, Row, read_rows
from connect.organizations.models import Environment, Organization, Tenant

SHOWN = 50


class ImportCommand(ABC, BaseCommand):
    """Sub-classes say which columns there are and what takes a row."""

    required: set[str]
    known: set[str]

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help=f"UTF-8 CSV with a header: {', '.join(sorted(self.known))}.")
        parser.add_argument("--organization", required=True, help="The organisation's slug.")
        parser.add_argument("--environment", required=True, choices=Environment.values)
        parser.add_argument("--dry-run", action="store_true", help="Report only; nothing is written.")

    def handle(self, *, file, organization, environment, dry_run, **options):
        owner = Organization.objects.filter(slug=organization).first()
        if owner is None:
            raise CommandError(f"No organisation has the slug {organization}.")
        name = self.__module__.rpartition(".")[2]
        taker = self.taker(Tenant(owner.pk, environment), Actor("system", f"manage.py {name}"), options)
        report = self._read(file, taker, dry_run)
        self.stdout.write(told(report, dry_run))
        if report.refused:
            raise CommandError(f"{len(report.refused)} rows were left out; correct them and run the file again.")

    @abstractmethod
    def taker(self, caller: Tenant, by: Actor, options: dict):
        """An object whose `check(row)` gives what writes the row, and says in a word what became of it."""

    def _read(self, file: Path, taker, dry_run: bool) -> Report:
        def take(row: Row) -> str:
            write = taker.check(row)  # may ask a portal: no transaction is open
            with transaction.atomic():
                word = write()
                transaction.set_rollback(dry_run)
            return word

        report = Report()
        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                for row in read_rows(lines, required=self.required, known=self.known):
                    report.note(row, take)
        except (FileUnreadable, OSError) as error:
            raise CommandError(f"{file}: {error}") from error
        return report


def told(report: Report, dry_run: bool) -> str:
    """The report: counts, and the rows left out by line and reason; nothing that stood in the file."""
    counts = ", ".join(f"{number} {word}" for word, number in sorted(report.counts.items())) or "no row taken"
    lines = [f"{'Would be: ' if dry_run else ''}{counts}."]
    lines += [f"  line {line}: {reason}" for line, reason in report.refused[:SHOWN]]
    if len(report.refused) > SHOWN:
        lines.append(f"  … and {len(report.refused) - SHOWN} more")
    return "\n".join(lines)
