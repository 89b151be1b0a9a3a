"""Records to export, places to export them to, and a worker."""

import gzip
import json
from pathlib import Path

import pytest

from pulls.exports.erase import erase_due
from pulls.exports.models import Export
from pulls.exports.run import run_export
from tests.pulls.scripted import observation


@pytest.fixture(autouse=True)
def exports_dir(settings, tmp_path):
    settings.EXPORTS_DIR = str(tmp_path / "exports")
    return tmp_path / "exports"


@pytest.fixture
def pulled(connected, portal, pull):
    """A factory: pull these observations for a connection; they are what is exported then."""

    def pulled(*values: str, connection=None):
        portal.holds("Observation", *[observation(f"o-{n}", note=value) for n, value in enumerate(values)])
        connection = connection or connected()
        pull(connection)
        return connection

    return pulled


@pytest.fixture
def add_folder(api):
    """A factory: a folder destination, made through the API."""

    def add_folder(folder: str = "lake", **settings) -> dict:
        body = {"name": folder, "kind": "folder", "settings": {"folder": folder, **settings}}
        answer = api.create("/export-destinations", body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return add_folder


@pytest.fixture
def export():
    """Run what is due, as workers do; the last run."""

    def export() -> Export:
        for pk in list(Export.objects.filter(status__in=Export.OPEN).values_list("pk", flat=True)):
            run_export(pk)
        erase_due()
        return Export.objects.first()

    return export


def read_lines(path: Path) -> list[dict]:
    body = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(body) if path.suffix == ".gz" else body).splitlines()]


def read_run(root: Path, export: Export) -> dict[str, list[dict]]:
    """Name of each file of a run → its lines."""
    return {path.name: read_lines(path) for path in sorted((root / export.folder).iterdir()) if "ndjson" in path.name}
