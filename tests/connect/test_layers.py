"""The import contract knows every part: what it does not name could import anything."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("patientflows", "pulls", "portals", "webhooks")


def test_every_module_of_connect_has_its_layer():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    named = {name for layer in layers for name in layer.split(" : ")}
    here = [path for path in (ROOT / "connect").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    parts = {f"connect.{path.stem}" for path in here} - {"connect.__init__"}
    assert named == parts | set(APPS)
