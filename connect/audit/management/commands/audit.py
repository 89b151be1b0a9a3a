"""`manage.py audit verify` and `manage.py audit export`."""

from datetime import datetime

from django.core.management.base import BaseCommand, CommandError

from connect.audit import chain, export
from connect.audit.models import Entry


class Command(BaseCommand):
    help = "Check the audit log's hash chain, or write the log out."

    def add_arguments(self, parser):
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="Walk the chain; ends with status 1 when something is wrong.")
        verify.add_argument("--witness", metavar="POSITION:HASH", help="A head from the logs (audit.chained).")
        out = verbs.add_parser("export", help="Write the log to standard output, oldest first.")
        out.add_argument("--format", choices=sorted(export.FORMATS), default="csv")
        out.add_argument("--organization", help="Only this organisation's entries.")
        out.add_argument("--since", type=datetime.fromisoformat, help="Only entries from this time on (ISO 8601).")

    def handle(self, *, verb, **options):
        {"verify": self.verify, "export": self.export}[verb](**options)

    def verify(self, *, witness, **options):
        faults = list(chain.faults(witnessed=_head(witness)))
        for fault in faults:
            self.stderr.write(f"position {fault.position or '–'}: {fault.what}")
        if faults:
            raise CommandError(f"The audit log is not whole: {len(faults)} faults.")
        head = chain.head()
        self.stdout.write(f"The audit log is whole: {head.position} entries, head {head.hash}")

    def export(self, *, format, organization, since, **options):
        entries = Entry.objects.order_by("pk")
        if organization:
            entries = entries.filter(organization_id=organization)
        if since:
            entries = entries.filter(at__gte=since)
        for part in export.FORMATS[format](entries.iterator(chunk_size=2000)):
            self.stdout.write(part, ending="")


def _head(witness: str | None) -> chain.Head | None:
    if not witness:
        return None
    position, _, digest = witness.partition(":")
    if not position.isdigit() or not digest:
        raise CommandError("A witness is POSITION:HASH, as the log line audit.chained tells them.")
    return chain.Head(int(position), digest)
