"""The parts of `docs/` that are printed from the code, so that they cannot fall behind it: `manage.py print_docs`."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings

from connect.states import Transitions, mermaid
from portals.sandbox.variants import PORTALS

ROOT = Path(settings.BASE_DIR)
MARK = "<!-- Printed from the code by `make printed`. Change it there. -->\n\n"


def printed() -> dict[Path, str]:
    """Every printed file, by its path."""
    docs = ROOT / "docs"
    files = {docs / "diagrams" / f"{name}.mmd": text for name, text in diagrams()}
    files[docs / "reference" / "sandbox-portals.md"] = MARK + sandbox_portals()
    return files


def diagrams() -> Iterator[tuple[str, str]]:
    """Name and Mermaid source: the lifecycle of every model that has one, and the packages by who may import whom."""
    for model in apps.get_models():
        if issubclass(model, Transitions) and model.TRANSITIONS:
            yield model._meta.model_name, mermaid(model) + "\n"
    yield "packages", packages(tomllib.loads((ROOT / "pyproject.toml").read_text()))


def packages(project: dict) -> str:
    """The layers of the import contract, top to bottom; the kernel's many modules as one box."""
    contract = next(each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    layers = [layer.split(" : ") for layer in contract["layers"]]
    lines = ["flowchart TD"]
    for number, names in enumerate(layers):
        shown = names if len(names) <= 4 else ["the kernel: connect/*.py"]
        lines.append(f'    layer{number}["{"<br>".join(shown)}"]')
    lines += [f"    layer{number} --> layer{number + 1}" for number in range(len(layers) - 1)]
    return "\n".join(lines) + "\n"


def sandbox_portals() -> str:
    """What each pretend portal does, from the table that makes it so."""
    rows = [f"| {portal.name} | `/sandbox/{portal.slug}` | {portal.description} |" for portal in PORTALS]
    intro = "Log in as `patient` or `parent`, password `demo`. Each portal is one row of `portals/sandbox/variants.py`."
    return "\n".join(
        ["# Sandbox portals", "", intro, "", "| portal | path | what it does |", "|---|---|---|", *rows, ""]
    )
