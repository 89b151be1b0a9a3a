"""The page on reliability says of every fault what the matrix says of it."""

from pathlib import Path

import pytest

from connect.operations.retention import RULES
from tests.faults.matrix import FAULTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_has_its_row(fault):
    assert f"| {fault.name} | {fault.outcome} |" in PAGE


@pytest.mark.parametrize("setting", sorted({rule.setting for rule in RULES if rule.setting}))
def test_every_retention_setting_is_told(setting):
    assert f"`{setting}`" in PAGE
