"""`manage.py signing_keys rotate`: new keys now, which sign when every portal has had time to read them."""

from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone

from connect.audit.actions import SYSTEM
from portals import keys
from portals.models import SigningKey


class Command(BaseCommand):
    help = "List our signing keys for private_key_jwt, or rotate them with overlap."

    def add_arguments(self, parser):
        parser.add_argument("what", choices=["list", "rotate"])
        parser.add_argument("--lead-hours", type=float, default=keys.LEAD.total_seconds() / 3600,
                            help="How long a new key is published before it signs; 0 for a key that leaked.")  # fmt: skip

    def handle(self, *, what, lead_hours, **options):
        if what == "rotate":
            keys.rotate(by=SYSTEM, lead=timedelta(hours=lead_hours))
        now = timezone.now()
        for key in SigningKey.objects.published(now):
            role = "signs" if key.signs_from <= now else f"signs from {key.signs_from:%Y-%m-%d %H:%M}Z"
            until = f", retired from {key.retired_at:%Y-%m-%d %H:%M}Z" if key.retired_at else ""
            self.stdout.write(f"{key.algorithm} {key.kid}: {role}{until}")
