"""A database of the bench's own on PostgreSQL, with Redis beside it; import this before anything of Django.

`BENCH_KEEP=name` uses the database of that name and leaves it there: for benches that take minutes to fill one.
"""

import atexit
import os
import tempfile
from pathlib import Path

import django
import psycopg
from django.core.management import call_command
from django.db import connections

ROOT = Path(__file__).resolve().parent.parent
SERVER = os.environ.get("BENCH_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432").rstrip("/")
REDIS = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/13")
KEPT = os.environ.get("BENCH_KEEP", "")
NAME = KEPT or f"connect_bench_{os.getpid()}"


def prepare() -> None:
    """Make the database, point the settings at it, migrate. It is dropped when the process ends."""
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as database:
        known = database.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
        if not known:
            database.execute(f'CREATE DATABASE "{NAME}"')
    if not KEPT:
        atexit.register(_drop)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "DATABASE_URL": f"{SERVER}/{NAME}",
        "REDIS_URL": REDIS,
        "SECRET_KEY": "bench",
        "SEALING_KEYS": "0000aaaa:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "DATA_DIR": tempfile.mkdtemp(prefix="connect-bench-"),
        "OUTBOUND_ALLOW_INSECURE_HTTP": "1",
        "OUTBOUND_ALLOW_PRIVATE": "1",
        "API_RATE_LIMIT_PER_MINUTE": "100000000",
        "LOG_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def _drop() -> None:
    connections.close_all()
    with psycopg.connect(f"{SERVER}/postgres", autocommit=True) as database:
        database.execute(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')
