"""`manage.py roles`: the groups viewer, operator and administrator, with the permissions of `operations/roles.py`."""

from django.core.management.base import BaseCommand

from connect.operations import roles


class Command(BaseCommand):
    help = "Make the roles viewer, operator and administrator, or bring them in line after an upgrade."

    def handle(self, *args, **options):
        roles.install()
        self.stdout.write(f"Roles: {', '.join(roles.ROLES)}.")
