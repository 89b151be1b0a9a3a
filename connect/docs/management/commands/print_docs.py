"""`manage.py print_docs`: write the parts of `docs/` that come from the code; `--check` says which are behind."""

from django.core.management.base import BaseCommand, CommandError

from connect.docs.printed import ROOT, printed


class Command(BaseCommand):
    help = "Print diagrams and reference pages of docs/ from the code."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="Write nothing; fail when a file is behind.")

    def handle(self, *args, check, **options):
        behind = {path: text for path, text in printed().items() if not path.exists() or path.read_text() != text}
        names = ", ".join(str(path.relative_to(ROOT)) for path in behind)
        if check and behind:
            raise CommandError(f"Behind the code: {names}. Run `make printed`.")
        for path, text in behind.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.stdout.write(f"Printed {names}." if behind else "Everything is as the code says.")
