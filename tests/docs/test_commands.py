"""Every command that the documentation prints exists: make targets, management commands with their options, scripts."""

import re
import shlex

import pytest
from django.core.management import get_commands, load_command_class

from connect.docs.printed import ROOT

BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SAMPLES = {sample.read_text() for sample in (ROOT / "docs" / "samples").rglob("*.sh")}
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROCESSES = set(re.findall(r"^([a-z]+)\)$", (ROOT / "bin" / "connect").read_text(), re.MULTILINE))
# Programs that are not ours; what they do is tried by tests/deploy, or said on the page to be untried.
OTHERS = set("export curl docker kubectl cp createdb echo git cd npm systemd-run systemctl".split())


def lines_of(page) -> list[str]:
    """The commands of a page's shell blocks, continued lines joined, without comments and samples (which are run)."""
    found = [block for _, block in BLOCK.findall(page.read_text()) if block not in SAMPLES]
    blocks = "\n".join(block.replace("\\\n", " ") for block in found)
    lines = (line.strip() for line in blocks.splitlines())
    return [line for line in lines if line and "--8<--" not in line and not line.startswith("#")]


def commands() -> list:
    return [pytest.param(line, id=f"{page.stem}: {line[:60]}") for page in PAGES for line in lines_of(page)]


@pytest.mark.parametrize("line", commands())
def test_the_command_exists(line):
    alone = re.split(r" (?:>|\|) ", line)[0]
    words = [word for word in shlex.split(alone) if not re.fullmatch(r"[A-Z_]+=.*", word)]
    program = words[0]
    if program == "make":
        assert words[1] in TARGETS
    elif "manage.py" in words:
        parse(words[words.index("manage.py") + 1 :])
    elif program == "bin/connect":
        assert words[1] in PROCESSES
    elif program == "sh":
        assert (ROOT / words[1]).is_file()
    elif program in ("python3", ".venv/bin/python"):
        assert words[1] in ("-m", "-c") or (ROOT / words[1]).is_file()
    elif "/" in program:
        assert program.startswith((".venv/bin/", "var/")) or (ROOT / program).is_file()
    else:
        assert program in OTHERS


def parse(words: list[str]) -> None:
    """Options and arguments as the command itself takes them; argparse ends the test with its own words."""
    name, *rest = words
    assert name in get_commands(), f"no command {name}"
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    command.create_parser("manage.py", name).parse_args(rest)
