"""`manage.py reseal`: seal everything with the newest of SEALING_KEYS; resumable, beside a serving installation."""

from django.core.management.base import BaseCommand, CommandError

from connect.resealing import reseal, sealed_columns


class Command(BaseCommand):
    help = "Seal every secret with the newest key of SEALING_KEYS. Run it after a new key was put first in the list."

    def handle(self, *args, **options):
        failures = 0
        for model, field in sealed_columns():
            name = f"{model._meta.label}.{field.name}"
            total = model._base_manager.exclude(**{field.name: None}).count()
            looked, changed, broken = 0, 0, 0
            for looked, changed, broken in reseal(model, field):  # noqa: B007
                self.stdout.write(f"{name}: {looked} of {total} looked at, {changed} re-sealed")
            if broken:
                self.stderr.write(f"{name}: {broken} cannot be opened with any key of SEALING_KEYS")
            failures += broken
        if failures:
            raise CommandError(f"{failures} values could not be opened: keep the key that sealed them in SEALING_KEYS.")
        self.stdout.write("Everything is sealed with the newest key; older keys can be taken out of SEALING_KEYS.")
