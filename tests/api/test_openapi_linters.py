"""Linters that know nothing of us find nothing in `/openapi.json`."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.packages import node_packages

LINTERS = Path(__file__).parent / "linters"


def test_it_is_valid_openapi_31(document):
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.fixture
def lint(document, tmp_path):
    """Run a linter over the document; returns what it printed as JSON."""
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

    def lint(name: str, *arguments: str):
        command = [str(node_packages(LINTERS) / ".bin" / name), "lint", "openapi.json", "--format", "json", *arguments]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return json.loads(ended.stdout)

    return lint


def test_redocly_finds_nothing(lint):
    found = lint("redocly")
    assert [(problem["ruleId"], problem["message"]) for problem in found["problems"]] == []


def test_spectral_finds_nothing(lint):
    found = lint("spectral", "--quiet")
    assert [(problem["code"], problem["message"]) for problem in found] == []
