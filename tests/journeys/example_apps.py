"""The example apps as their readers would run them: with their own packages, in processes of their own."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import requests

from tests.journeys.stack import ROOT, free_port, wait_until
from tests.packages import python_packages

EXAMPLES = ROOT / "examples"
CLIENT = ROOT / "clients/python/src"


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
    packages = python_packages("examples")
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
