"""`manage.py verify`: is everything true that must be true of this installation, and what to do where it is not."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from connect.operations.verify import CHECKS, verify
from connect.operations.verify.findings import Finding


class Command(BaseCommand):
    help = "Check every invariant of a running installation. Changes nothing; ends with status 1 when one is broken."

    def add_arguments(self, parser):
        names = [check.name for check in CHECKS]
        parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"Only these: {', '.join(names)}.")
        parser.add_argument("--json", action="store_true", help="One JSON object a line.")

    def handle(self, *args, checks, **options):
        unknown = set(checks) - {check.name for check in CHECKS}
        if unknown:
            raise CommandError(f"No such check: {', '.join(sorted(unknown))}.")
        broken = 0
        for finding in verify(checks):
            broken += not finding.ok
            self.stdout.write(json.dumps(asdict(finding)) if options["json"] else told(finding))
        if broken:
            raise CommandError(f"{broken} of {len(checks) or len(CHECKS)} checks found something.")


def told(finding: Finding) -> str:
    """A line for what is well, a few for what is not."""
    if finding.ok:
        return f"ok    {finding.check:30} {finding.says}"
    more = f" … {finding.count} in all" if finding.count > len(finding.named) else ""
    return f"FOUND {finding.check:30} {finding.says}\n      {'; '.join(finding.named)}{more}\n      → {finding.advice}"
