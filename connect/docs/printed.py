"""The parts of `docs/` that are printed from the code, so that they cannot fall behind it: `manage.py print_docs`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings

from connect.states import Transitions, mermaid
from portals.sandbox.variants import PORTALS

ROOT = Path(settings.BASE_DIR)
MARK = "<!-- Printed from the code by `make printed`. Change it there. -->\n\n"
HEADING = re.compile(r"^# --- (.+?) -*$")
VARIABLE = re.compile(r"^# ?([A-Z][A-Z0-9_]*)=(.*)$")


def printed() -> dict[Path, str]:
    """Every printed file, by its path."""
    docs = ROOT / "docs"
    files = {docs / "diagrams" / f"{name}.mmd": text for name, text in diagrams()}
    files[docs / "reference" / "sandbox-portals.md"] = MARK + sandbox_portals()
    files[docs / "reference" / "settings.md"] = MARK + settings_page((ROOT / ".env.example").read_text())
    files[docs / "decisions" / "index.md"] = MARK + decisions(docs / "decisions")
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


def settings_page(example: str) -> str:
    """`.env.example` as a page: a table a section, comments that stand above a variable beside it."""
    lines, said = ["# Settings", ""], []
    for line in example.splitlines():
        if heading := HEADING.match(line):
            lines += [
                "",
                f"## {heading[1].partition(':')[0].strip()}",
                "",
                "| variable | default | what it is for |",
                "|---|---|---|",
            ]
            said = []
        elif variable := VARIABLE.match(line):
            lines.append(f"| `{variable[1]}` | {f'`{variable[2]}`' if variable[2] else ''} | {' '.join(said)} |")
            said = []
        elif line.startswith("# "):
            said.append(line[2:])
            if len(lines) == 2 and not line.startswith("# ---"):
                lines.append(said.pop())
        elif not line:
            said = []
    return "\n".join(lines) + "\n"


def decisions(folder: Path) -> str:
    """A list of the decision notes by their own titles."""
    lines = ["# Decisions", "", "Half a page each: status, context, decision, consequences.", ""]
    for note in sorted(folder.glob("[0-9]*.md")):
        title = note.read_text().splitlines()[0].removeprefix("# ")
        lines.append(f"* [{title}]({note.name})")
    return "\n".join(lines) + "\n"
