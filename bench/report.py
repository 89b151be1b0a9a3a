"""What a bench found: rows of a table, printed and kept as JSON with the commit."""

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Figure:
    """One measured path. `ratio` is ours to the baseline's where there is one; `reached` None where no target is set."""

    path: str
    ours: str
    baseline: str = "–"
    ratio: float | None = None
    target: str = ""
    reached: bool | None = None


def rate(path: str, ours: float, bare: float, unit: str, target: float) -> Figure:
    """A figure of two rates, ours to be at least `target` of the bare one."""
    ratio = ours / bare if bare else 0.0
    return Figure(
        path, f"{ours:,.0f} {unit}", f"{bare:,.0f} {unit}", round(ratio, 2), f"ratio ≥ {target}", ratio >= target
    )


def below(path: str, ours: float, unit: str, limit: float) -> Figure:
    """A figure that is to stay below a limit."""
    return Figure(path, f"{ours:,.1f} {unit}", target=f"< {limit:g} {unit}", reached=ours < limit)


def table(figures: list[Figure]) -> str:
    """Markdown, aligned enough to be read in a terminal."""
    head = ("path", "ours", "baseline", "ratio", "to reach", "reached")
    rows = [head, tuple("---" for _ in head)]
    for figure in figures:
        said = {True: "yes", False: "NO", None: "–"}[figure.reached]
        ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}"
        rows.append((figure.path, figure.ours, figure.baseline, ratio, figure.target or "–", said))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def keep(figures: list[Figure], file: Path) -> None:
    """Write the figures, each with the commit it is of; what the file has of other paths stays."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    kept = json.loads(file.read_text())["figures"] if file.exists() else []
    by_path = {figure["path"]: figure for figure in kept}
    by_path |= {figure.path: asdict(figure) | {"commit": commit} for figure in figures}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"figures": list(by_path.values())}, indent=1, ensure_ascii=False) + "\n")
