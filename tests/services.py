"""Which of the services that some tests need can be reached: `python -m tests.services <postgres url> <redis url>`."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

POSTGRES_URL = os.environ.get("POSTGRES_TEST_URL", "postgres://postgres@127.0.0.1:5432/connect")
REDIS_URL = os.environ.get("REDIS_TEST_URL", "redis://127.0.0.1:6379/15")
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# The machine's network is closed: without these Chromium asks its maker's servers for things, over and over.
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
IN_CI = bool(os.environ.get("CI"))


def is_reachable(url: str, *, seconds: float = 2) -> bool:
    """Whether something listens at the URL's host and port."""
    parts = urlsplit(url)
    default = 6379 if parts.scheme.startswith("redis") else 5432
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or default), timeout=seconds):
            return True
    except OSError:
        return False


def has_services() -> bool:
    """PostgreSQL and Redis both."""
    return is_reachable(POSTGRES_URL) and is_reachable(REDIS_URL)


def has_chromium() -> bool:
    return CHROMIUM.exists()


if __name__ == "__main__":
    missing = [url for url in sys.argv[1:] if not is_reachable(url)]
    for url in missing:
        print(
            f"Nothing answers at {urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}: its tests are left out."
        )
    sys.exit(1 if missing else 0)
