"""`.env.example` is the list of settings that operators read; it must not fall behind settings.py."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"""env(?:\.\w+)?\(\s*["']([A-Z][A-Z0-9_]*)["']""")
LISTED = re.compile(r"^#? ?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def read_by_settings() -> set[str]:
    return set(READ.findall((ROOT / "connect" / "settings.py").read_text()))


def listed() -> set[str]:
    return set(LISTED.findall((ROOT / ".env.example").read_text()))


def test_every_variable_that_settings_read_is_listed():
    assert len(read_by_settings()) > 20
    assert read_by_settings() - listed() == set()


def test_nothing_is_listed_that_settings_do_not_read():
    assert listed() - read_by_settings() == set()
