"""The page on reliability says of every fault what the matrix says of it."""

import re
from pathlib import Path

import pytest

from connect.operations.retention import RULES
from tests.faults.matrix import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_row(fault):
    assert f"| {fault.name} | {fault.outcome} |" in PAGE


@pytest.mark.parametrize("setting", sorted({rule.setting for rule in RULES if rule.setting}))
def test_every_retention_setting_is_told(setting):
    assert f"`{setting}`" in PAGE


@pytest.mark.parametrize("page", ["reliability.md", "security.md", "compliance.md"])
def test_every_test_that_a_page_names_exists(page):
    text = (ROOT / "docs" / page).read_text()
    named = set(re.findall(r"`(tests/[\w/.]+)", text))
    assert len(named) > 3
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
    classes = set(re.findall(r"`(tests/[\w/.]+)::(\w+)", text))
    assert [(path, name) for path, name in classes if f"class {name}" not in (ROOT / path).read_text()] == []
