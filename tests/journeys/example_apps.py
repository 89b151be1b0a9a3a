"""The example apps as their readers would run them: with their own packages, in processes of their own."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests import services
from tests.journeys.stack import ROOT, free_port, wait_until

EXAMPLES = ROOT / "examples"
CLIENT = ROOT / "clients/python/src"
LOCK = ROOT / "requirements-examples.lock"


def unavailable(what: str) -> None:
    """What is missing on somebody's machine leaves a test out; in CI it fails it."""
    if services.IN_CI:
        pytest.fail(f"CI needs {what}.")
    pytest.skip(f"{what} is not here.")


def python_packages() -> Path:
    """The examples' packages below var/, installed when their lock file has changed."""
    folder = ROOT / "var/examples" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--target", str(draft), "-r", str(LOCK)]
        if subprocess.run([sys.executable, *command], check=False).returncode:
            unavailable("The package index")
        with contextlib.suppress(OSError):  # another process was quicker
            draft.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def node_packages() -> Path:
    """The Express example's folder with its packages, installed when their lock file has changed."""
    folder = EXAMPLES / "express"
    if not shutil.which("node") or not shutil.which("npm"):
        unavailable("Node")
    stamp, lock = folder / "node_modules/.installed", (folder / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=False).returncode:
            unavailable("The npm registry")
        stamp.write_text(lock)
    return folder


class App:
    """An example app on a free port, with an endpoint at Connect that tells it of everything."""

    def __init__(self, stack):
        self.stack, self.port = stack, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.endpoint = stack.call("POST", "/webhooks", {"url": f"{self.url}/webhooks", "events": ["*"]})
        self.secret = self.endpoint["secret"]
        self.process: subprocess.Popen | None = None

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "CONNECT_URL": self.stack.base_url, "CONNECT_KEY": self.stack.access["api_key"],
            "CONNECT_WEBHOOK_SECRET": self.secret, "SECRET_KEY": secrets.token_hex(16), "PORT": str(self.port),
        }  # fmt: skip

    def start(self, command: list[str], *, cwd: Path, **environment: str) -> None:
        self.process = subprocess.Popen(command, cwd=cwd, env=self.environment | environment)
        wait_until(self.answers, seconds=30)

    def answers(self) -> bool:
        assert self.process.poll() is None, "The app ended"
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.url, timeout=5).ok
        return False

    def stop(self) -> None:
        self.stack.call("DELETE", f"/webhooks/{self.endpoint['id']}")
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=10)


def run_notebook(stack, patient_id: str, folder: Path) -> list[dict]:
    """Run the notebook's cells in a kernel; answers every output. A cell that raises fails the test."""
    packages = python_packages()
    run = (
        "import nbformat, sys; from nbclient import NotebookClient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4); nbformat.validate(notebook)\n"
        "NotebookClient(notebook, timeout=120).execute(); nbformat.write(notebook, 'done.ipynb')"
    )
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(packages), str(CLIENT)]), "JUPYTER_PATH": str(packages / "share/jupyter"),
        "IPYTHONDIR": str(folder), "MPLCONFIGDIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder),
        "CONNECT_URL": stack.base_url, "CONNECT_KEY": stack.access["api_key"], "PATIENT_ID": patient_id,
    }  # fmt: skip
    notebook = EXAMPLES / "notebook/records.ipynb"
    subprocess.run([sys.executable, "-c", run, str(notebook)], cwd=folder, env=environment, check=True)
    cells = json.loads((folder / "done.ipynb").read_text())["cells"]
    return [output for cell in cells for output in cell.get("outputs", [])]
