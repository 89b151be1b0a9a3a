"""The client as a package: what it imports it declares, and without its extra it works and says what is missing."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connect_health import __version__

PACKAGE = Path(__file__).resolve().parents[2] / "clients/python"
SOURCE = PACKAGE / "src/connect_health"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
EXTRA = ("click", "rich", "segno")
# Imports of these fail, as where the extra was not installed.
WITHOUT_EXTRA = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRA!r}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Missing())
"""


def imported(paths) -> set[str]:
    """Top-level modules of others that these files import."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"connect_health"}


def declared(requirements: list[str]) -> set[str]:
    return {requirement.partition(">")[0] for requirement in requirements}


def test_the_client_declares_what_it_imports_and_no_more():
    core = [path for path in SOURCE.rglob("*.py") if "cli" not in path.parts]
    assert imported(core) == declared(PROJECT["dependencies"])


def test_the_command_declares_what_it_imports_besides():
    command = imported((SOURCE / "cli").rglob("*.py"))
    assert command - declared(PROJECT["dependencies"]) == declared(PROJECT["optional-dependencies"]["cli"]) == {*EXTRA}


def run(code: str) -> subprocess.CompletedProcess:
    environment = {"PYTHONPATH": str(PACKAGE / "src")}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRA + code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_client_works_without_the_extra():
    done = run("from connect_health import Connect; print(Connect('key', 'http://connect.test'))")
    assert (done.returncode, done.stdout) == (0, "<Connect http://connect.test>\n")


def test_the_command_says_which_extra_it_needs():
    done = run("import connect_health.cli")
    assert done.returncode == 1
    assert done.stderr == "The connect command needs its extra: pip install 'connect-health[cli]'\n"


@pytest.mark.parametrize("name", ["py.typed", "_version.py"])
def test_the_package_is_marked_as_typed_and_versioned(name):
    assert (SOURCE / name).exists()
    assert __version__.count(".") == 2
