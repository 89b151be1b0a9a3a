"""The Python client as an integrator has it: a wheel, in an environment that has nothing else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.journeys.stack import ROOT
from tests.packages import unavailable

UV = [sys.executable, "-m", "uv"]
READ_ALL = """
from connect_health import Connect
with Connect() as connect:
    flow = connect.patient_flows.create(patient_id="wheel-1", return_url="http://127.0.0.1:3000/back")
    print(flow.status, [source.name for source in connect.connections.list(q="plain portal").page().data][0])
"""


def uv(*arguments: str | Path) -> None:
    if subprocess.run([*UV, *map(str, arguments), "--quiet"], check=False, timeout=300).returncode:
        unavailable("The package index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder, ROOT / "clients/python")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel) -> Path:
    """The folder of the programs of a fresh environment with the wheel and its extra."""
    environment = wheel.parent / "venv"
    uv("venv", "--python", sys.executable, environment)
    uv("pip", "install", "--python", environment / "bin/python", f"connect-health[cli] @ file://{wheel}")
    return environment / "bin"


def run(stack, *command: str | Path) -> str:
    environment = {"PATH": os.environ["PATH"], "CONNECT_URL": stack.base_url, "CONNECT_KEY": stack.access["api_key"]}
    done = subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_has_its_licence_its_types_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "connect_health/py.typed" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"connect_health"}


def test_the_licence_is_that_of_the_repository():
    assert (ROOT / "clients/python/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_client_of_the_wheel_calls_connect(stack, installed):
    assert run(stack, installed / "python", "-c", READ_ALL) == "open Plain portal\n"


def test_the_command_of_the_wheel_finds_a_portal(stack, installed):
    assert "Plain portal" in run(stack, installed / "connect", "search", "plain portal")
