"""`.env.example` is the list of settings that operators read; it must not fall behind the code."""

import ast
import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "connect" / "settings.py").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
LISTED = re.compile(r"^#? ?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
IN_SHELL = re.compile(r"\$\{([A-Z][A-Z0-9_]*):[-?]")
SCRIPTS = ("bin/connect", "docker-compose.yml", "deploy/backup/backup")
# `getpass` asks for it otherwise; no settings of processes.
IN_COMMANDS = {"ADMIN_PASSWORD"}


def reads() -> dict[str, ast.Call]:
    """`env.int("NAME", default)` and alike in settings.py, by name."""
    calls = (node for node in ast.walk(ast.parse(SETTINGS)) if isinstance(node, ast.Call) and node.args)
    return {
        call.args[0].value: call for call in calls
        if ast.unparse(call.func).startswith("env.") and isinstance(call.args[0], ast.Constant)
        and str(call.args[0].value).isupper()
    }  # fmt: skip


def read_by_scripts() -> set[str]:
    return {name for script in SCRIPTS for name in IN_SHELL.findall((ROOT / script).read_text())}


def listed() -> dict[str, str]:
    return dict(LISTED.findall(EXAMPLE))


def test_every_variable_that_is_read_is_listed():
    assert len(reads()) > 50
    assert (set(reads()) | read_by_scripts() | IN_COMMANDS) - set(listed()) == set()


def test_nothing_is_listed_that_is_not_read():
    assert set(listed()) - set(reads()) - read_by_scripts() - IN_COMMANDS == set()


def test_figures_are_the_codes_own_defaults():
    figures = {name: call.args[1] for name, call in reads().items() if call.func.attr == "int" and len(call.args) > 1}
    wrong = {
        name: listed()[name] for name, default in figures.items()
        if not isinstance(default, ast.IfExp)
        and int(listed()[name]) != eval(compile(ast.Expression(default), name, "eval"))
    }  # fmt: skip
    assert wrong == {}


def test_every_variable_is_explained_or_stands_with_one_that_is():
    """A comment, the head of a section, or a neighbour whose comment speaks of both."""
    explained, lines = False, EXAMPLE.splitlines()
    for before, line in pairwise(lines):
        is_variable = bool(LISTED.match(line))
        explained = is_variable and (explained or (before.startswith("# ") and not LISTED.match(before)))
        assert explained or not is_variable, line
