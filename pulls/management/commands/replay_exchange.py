"""`manage.py replay_exchange FILE`: play a pull's exchange again, and say what came of each type, then and now."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pulls.exchanges.again import Outcome, play
from pulls.exchanges.recorder import FORMAT

# A database and secrets that are thrown away: nothing of this installation is read or written.
ELSEWHERE = {
    "DATABASE_URL": "", "REDIS_URL": "", "BROKER_URL": "", "SECRET_KEY": "", "SEALING_KEYS": "", "BASE_URL": "http://127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1", "OUTBOUND_ALLOW_INSECURE_HTTP": "1", "OUTBOUND_ALLOW_PRIVATE": "1", "LOG_LEVEL": "CRITICAL",
    "DJANGO_SETTINGS_MODULE": "connect.settings",
}  # fmt: skip


class Command(BaseCommand):
    help = "Play a pull's exchange (from the button of that name on its page) again with the code as it is here."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--here", action="store_true", help="In this database; without it in one that is thrown away."
        )

    def handle(self, *, file, here, **options):
        exchange = _read(file)
        if here:
            return self._tell(play(exchange), exchange)
        with tempfile.TemporaryDirectory(prefix="connect-replay-") as folder:
            env = {**os.environ, **ELSEWHERE, "DATA_DIR": folder}
            for arguments in (["migrate", "--verbosity", "0"], ["replay_exchange", "--here", str(file.resolve())]):
                done = subprocess.run(
                    [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments], env=env, check=False
                )
                if done.returncode:
                    raise CommandError(f"{arguments[0]} ended with status {done.returncode}.")
        return None

    def _tell(self, outcome: Outcome, exchange: dict) -> None:
        self.stdout.write(f"then: {exchange['status']}{_why(exchange['error'] or exchange['waiting_for'])}")
        self.stdout.write(f"now:  {outcome.status}{_why(outcome.reason)}")
        for one in outcome.types:
            self.stdout.write(f"  {one.type:28} {one.status:10} {one.fetched:>7} fetched  {one.error or ''}".rstrip())
        left_out = exchange.get("calls_left_out", 0)
        if left_out:
            self.stdout.write(f"{left_out} calls of then were not kept: what they brought is missing here.")


def _read(file: Path) -> dict:
    try:
        exchange = json.loads(file.read_text())
    except (OSError, ValueError) as problem:
        raise CommandError(f"{file} cannot be read: {problem}") from None
    if not isinstance(exchange, dict) or exchange.get("format") != FORMAT:
        raise CommandError(f"{file} is no exchange of the format {FORMAT}.")
    return exchange


def _why(reason: str | None) -> str:
    return f" ({reason})" if reason else ""
