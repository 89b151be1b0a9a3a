"""Backup, restore and what a backup can no longer say: with pg_dump and pg_restore, on databases of this test's own.

The procedure is the one of docs/reliability.md, command by command.
"""

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

pytestmark = [
    pytest.mark.skipif(database.vendor != "postgresql", reason="pg_dump speaks to PostgreSQL"),
    pytest.mark.skipif(not shutil.which("pg_dump"), reason="pg_dump is not installed"),
    pytest.mark.xdist_group("backup"),
]


def url(name: str) -> str:
    settings = database.settings_dict
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT'] or 5432}/{name}"


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Backup:
    """The two files: everything but the data keys, which is kept; and the newest data keys, which alone are kept."""

    def __init__(self, folder: Path):
        self.everything, self.keys = str(folder / "connect.dump"), str(folder / "keys.dump")
        self.source = url(database.settings_dict["NAME"])

    def take(self) -> None:
        run("pg_dump", "-Fc", "--exclude-table-data=organizations_datakey", "-f", self.everything, self.source)
        self.take_keys()

    def take_keys(self) -> None:
        run("pg_dump", "-Fc", "--data-only", "--table=organizations_datakey", "-f", self.keys, self.source)

    def restore(self, name: str) -> None:
        run("pg_restore", "--no-owner", "--exit-on-error", "-d", url(name), self.everything)
        run("pg_restore", "--no-owner", "--exit-on-error", "-d", url(name), self.keys)


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
    backup.take()
    erase_patient(patient=world.patient, by=SYSTEM)
    backup.take_keys()
    backup.restore(restored)
    told = look_at(restored)
    assert "Observation" in told["stays"][0]
    assert told["erased"] == "unreadable"
    assert (told["erase_again"], told["patients"], told["verify"]) == ("done", ["stays"], "done")


@pytest.mark.timeout(120)
def test_keys_older_than_the_backup_erase_nobody(world, organization, backup, restored):
    backup.take_keys()
    old_keys = backup.keys
    make_world(organization, "production", patient_id="newer")
    backup.keys = f"{old_keys}.new"
    backup.take()
    backup.keys = old_keys
    backup.restore(restored)
    told = look_at(restored)
    assert "older than the backup" in told["erase_again"]
    assert told["patients"] == ["newer", "p-1"]
