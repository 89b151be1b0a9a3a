"""What the site's generator does beside its own work: menu entries that nobody has written yet are left out, and two pages
are made of files that are not pages: `.env.example` and the decision notes."""

import re
from pathlib import Path

from mkdocs.structure.files import File

DOCS = Path(__file__).parent
HEADING = re.compile(r"^# --- (.+?) -*$")
VARIABLE = re.compile(r"^# ?([A-Z][A-Z0-9_]*)=(.*)$")
TABLE = ["", "| variable | default | what it is for |", "|---|---|---|"]


def on_config(config):
    """Leave out menu entries without a file."""
    config.nav = _existing(config.nav)
    return config


def on_files(files, *, config):
    """Add the pages that are made here."""
    for path, text in made().items():
        files.append(File.generated(config, path, content=text))
    return files


def made() -> dict[str, str]:
    """Every made page, by its path below docs/."""
    return {
        "reference/settings.md": settings_page((DOCS.parent / ".env.example").read_text()),
        "decisions/index.md": decisions(DOCS / "decisions"),
    }


def _existing(items: list) -> list:
    kept = []
    for item in items:
        title, target = next(iter(item.items())) if isinstance(item, dict) else (None, item)
        if isinstance(target, list):
            target = _existing(target)
        elif not target.startswith("/") and not (DOCS / target).is_file() and target not in made():
            continue
        kept.append({title: target} if title else target)
    return kept


def settings_page(example: str) -> str:
    """`.env.example` as a page: a table a section, the comments above a variable beside it."""
    lines, said = ["# Settings"], []
    for line in example.splitlines():
        if heading := HEADING.match(line):
            title, _, remark = heading[1].partition(":")
            lines += ["", f"## {title.strip()}", "", remark.strip(), *TABLE]
        elif variable := VARIABLE.match(line):
            default = f"`{variable[2]}`" if variable[2] else ""
            lines.append(f"| `{variable[1]}` | {default} | {' '.join(said)} |")
        elif line.startswith("# "):
            said.append(line[2:])
            continue
        elif len(lines) == 1:
            lines += ["", " ".join(said)]
        said = []
    return "\n".join(lines) + "\n"


def decisions(folder: Path) -> str:
    """A list of the decision notes by their own titles."""
    lines = ["# Decisions", "", "Half a page each: status, context, decision, consequences.", ""]
    for note in sorted(folder.glob("[0-9]*.md")):
        title = note.read_text().splitlines()[0].removeprefix("# ")
        lines.append(f"* [{title}]({note.name})")
    return "\n".join(lines) + "\n"
