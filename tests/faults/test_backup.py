"""Backup, restore and what a backup can no longer say: with deploy/backup's own scripts, as docs/operations/backup.md says,
on databases of this test's own."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import connection as database

from connect.audit import append_only
from connect.audit.actions import SYSTEM
from patientflows.patients import erase_patient
from tests.world import make_world

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "deploy" / "backup"

pytestmark = [
    pytest.mark.skipif(database.vendor != "postgresql", reason="pg_dump speaks to PostgreSQL"),
    pytest.mark.skipif(not shutil.which("pg_dump"), reason="pg_dump is not installed"),
]


def url(name: str) -> str:
    settings = database.settings_dict
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT'] or 5432}/{name}"


class Backup:
    """The operator's own scripts, on a folder of this test's own."""

    def __init__(self, folder: Path):
        self.folder = folder

    def take(self) -> Path:
        """The new dump, put aside: dumps are named for their second. The file of the newest keys lies beside it."""
        self._run("backup", database.settings_dict["NAME"], BACKUP_DIR=str(self.folder))
        [dump] = self.folder.glob("connect-*.dump")
        return dump.rename(self.folder / f"taken-{secrets.token_hex(4)}.dump")

    def restore(self, dump: Path, name: str, *keys: str) -> None:
        self._run("restore", name, str(dump), *keys)

    def _run(self, script: str, name: str, *arguments: str, **more: str) -> None:
        at = database.settings_dict
        address = {"PGHOST": at["HOST"], "PGUSER": at["USER"], "PGPORT": str(at["PORT"] or 5432), "PGDATABASE": name}
        done = subprocess.run(
            [str(SCRIPTS / script), *arguments], env={**os.environ, **address, **more}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.fixture
def backup(tmp_path) -> Backup:
    return Backup(tmp_path)


@pytest.fixture
def restored(db):
    """The name of an empty database, gone afterwards."""
    name = f"connect_restored_{secrets.token_hex(4)}"
    with psycopg.connect(url("postgres"), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield name
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def world(transactional_db, organization):
    append_only.install()
    yield make_world(organization)
    append_only.remove()


# What an operator does on the restored database, in one process to be quick.
ON_THE_RESTORED = """
import django; django.setup()
import json
from django.core.management import CommandError, call_command
from connect.crypto import CannotOpen
from connect.organizations.models import Patient
from pulls.read import Selection, stream

def read(patient_id):
    try:
        return [b"".join(stream(p, Selection())).decode() for p in Patient.objects.filter(patient_id=patient_id)]
    except CannotOpen:
        return "unreadable"

def attempted(*command):
    try:
        call_command(*command)
        return "done"
    except CommandError as error:
        return str(error)

told = {"stays": read("stays"), "erased": read("p-1")}
told["erase_again"] = attempted("erase_again")
told["patients"] = sorted(Patient.objects.values_list("patient_id", flat=True))
told["verify"] = attempted("verify", "tenancy", "sealed", "records-open", "manifests-unchanged", "audit-chain",
                           "audit-guarded", "positions")
print("TOLD " + json.dumps(told))
"""


def look_at(name: str) -> dict:
    environment = {**os.environ, "DATABASE_URL": url(name), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ON_THE_RESTORED], cwd=ROOT, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert "TOLD " in done.stdout, done.stderr
    return json.loads(done.stdout.partition("TOLD ")[2])


@pytest.mark.timeout(120)
def test_a_restored_backup_is_whole_and_who_was_erased_since_stays_erased(world, organization, backup, restored):
    make_world(organization, "production", patient_id="stays")
    dump = backup.take()
    erase_patient(patient=world.patient, by=SYSTEM)
    backup.take()
    backup.restore(dump, restored)
    told = look_at(restored)
    assert "Observation" in told["stays"][0]
    assert told["erased"] == "unreadable"
    assert (told["erase_again"], told["patients"], told["verify"]) == ("done", ["stays"], "done")


@pytest.mark.timeout(120)
def test_keys_older_than_the_backup_erase_nobody(world, organization, backup, restored, tmp_path):
    backup.take()
    old_keys = shutil.copy(tmp_path / "data-keys.dump", tmp_path / "old-keys.dump")
    make_world(organization, "production", patient_id="newer")
    backup.restore(backup.take(), restored, str(old_keys))
    told = look_at(restored)
    assert "older than the backup" in told["erase_again"]
    assert told["patients"] == ["newer", "p-1"]
