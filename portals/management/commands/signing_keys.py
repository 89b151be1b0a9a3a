"""`manage.py signing_keys rotate`: new keys now, which sign when every portal has had time to read them."""

from django.core.management.base import BaseCommand
from django.utils import timezone

from connect.audit.actions import SYSTEM
from portals import keys
from portals.models import SigningKey


class Command(BaseCommand):
    help = "List our signing keys for private_key_jwt, or rotate them with overlap."

    def add_arguments(self, parser):
        parser.add_argument("what", choices=["list", "rotate"])
        parser.add_argument("--leaked", action="store_true",
                            help="New keys sign at once, and the old ones are published no more.")  # fmt: skip

    def handle(self, *, what, leaked, **options):
        if what == "rotate":
            keys.rotate(by=SYSTEM, leaked=leaked)
        now = timezone.now()
        for key in SigningKey.objects.published(now):
            role = "signs" if key.signs_from <= now else f"signs from {key.signs_from:%Y-%m-%d %H:%M}Z"
            until = f", retired from {key.retired_at:%Y-%m-%d %H:%M}Z" if key.retired_at else ""
            self.stdout.write(f"{key.algorithm} {key.kid}: {role}{until}")
