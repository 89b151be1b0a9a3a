"""Packages that a few tests need and the environment has not: installed when their lock file has changed, as CI does."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import services

ROOT = Path(__file__).resolve().parents[1]


def unavailable(what: str) -> None:
    """What is missing on somebody's machine leaves a test out; in CI it fails it."""
    if services.IN_CI:
        pytest.fail(f"CI needs {what}.")
    pytest.skip(f"{what} is not here.")


def python_packages(group: str) -> Path:
    """A folder below var/ with the packages of `requirements-{group}.lock`, to be put on PYTHONPATH."""
    lock = ROOT / f"requirements-{group}.lock"
    folder = ROOT / "var" / group / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--target", str(draft), "-r", str(lock)]
        if subprocess.run([sys.executable, *command], check=False).returncode:
            unavailable("The package index")
        with contextlib.suppress(OSError):  # another process was quicker
            draft.rename(folder)
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def node_packages(folder: Path) -> Path:
    """The `node_modules` of a folder that has a package-lock.json."""
    if not shutil.which("node") or not shutil.which("npm"):
        unavailable("Node")
    modules, lock = folder / "node_modules", (folder / "package-lock.json").read_text()
    stamp = modules / ".installed"
    if not stamp.exists() or stamp.read_text() != lock:
        if subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=False).returncode:
            unavailable("The npm registry")
        stamp.write_text(lock)
    return modules
