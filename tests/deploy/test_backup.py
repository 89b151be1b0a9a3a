"""deploy/backup: a dump that is whole, restored into an empty database, and old ones forgotten."""

import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests import services

SCRIPTS = Path(__file__).resolve().parents[2] / "deploy" / "backup"
needs_postgres = pytest.mark.skipif(
    not (services.is_reachable(services.POSTGRES_URL) and shutil.which("pg_dump")), reason="needs PostgreSQL here"
)


@pytest.fixture
def databases():
    """An original with a row in it, and an empty one to restore into."""
    names = [f"connect_backup_{secrets.token_hex(4)}" for _ in range(2)]
    server = services.POSTGRES_URL.rpartition("/")[0]
    with psycopg.connect(f"{server}/postgres", autocommit=True) as database:
        for name in names:
            database.execute(f'CREATE DATABASE "{name}"')
        with psycopg.connect(f"{server}/{names[0]}") as original:
            original.execute("CREATE TABLE kept (what text); INSERT INTO kept VALUES ('all of it')")
            original.execute(
                "CREATE TABLE organizations_datakey (patient_id text); INSERT INTO organizations_datakey VALUES ('p')"
            )
        yield names
        for name in names:
            database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    address = {"PGHOST": "127.0.0.1", "PGUSER": "postgres"}
    return subprocess.run(
        [str(SCRIPTS / script), *arguments], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], **address, **environment},
    )  # fmt: skip


@needs_postgres
def test_what_was_dumped_is_restored(databases, tmp_path):
    original, empty = databases
    dumped = run("backup", PGDATABASE=original, BACKUP_DIR=str(tmp_path))
    assert dumped.returncode == 0, dumped.stderr
    (dump,) = tmp_path.glob("connect-*.dump")
    restored = run("restore", str(dump), PGDATABASE=empty)
    assert restored.returncode == 0, restored.stderr
    with psycopg.connect(f"{services.POSTGRES_URL.rpartition('/')[0]}/{empty}") as database:
        assert database.execute("SELECT what FROM kept").fetchall() == [("all of it",)]
        assert database.execute("SELECT patient_id FROM organizations_datakey").fetchall() == [("p",)]


@needs_postgres
def test_a_dump_without_the_data_keys_is_not_restored(databases, tmp_path):
    original, empty = databases
    run("backup", PGDATABASE=original, BACKUP_DIR=str(tmp_path))
    (tmp_path / "data-keys.dump").unlink()
    (dump,) = tmp_path.glob("connect-*.dump")
    refused = run("restore", str(dump), PGDATABASE=empty)
    assert refused.returncode != 0
    assert "no data keys" in refused.stderr


@needs_postgres
def test_old_dumps_go_and_young_ones_stay(databases, tmp_path):
    for name, days in (("connect-old.dump", 20), ("connect-young.dump", 2), ("notes.txt", 20)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    run("backup", PGDATABASE=databases[0], BACKUP_DIR=str(tmp_path))
    assert not (tmp_path / "connect-old.dump").exists()
    assert (tmp_path / "connect-young.dump").exists()
    assert (tmp_path / "notes.txt").exists()


@needs_postgres
def test_a_dump_that_fails_leaves_nothing_that_looks_whole(tmp_path):
    failed = run("backup", PGDATABASE="connect_no_such_database", BACKUP_DIR=str(tmp_path))
    assert failed.returncode != 0
    assert list(tmp_path.glob("*.dump")) == []
