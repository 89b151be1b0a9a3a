"""Linters that know nothing of us find nothing in `/openapi.json`."""

import json
import os
import shutil
import subprocess

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

REDOCLY = "@redocly/cli@2.77.0"
SPECTRAL = "@stoplight/spectral-cli@6.16.3"
in_ci = pytest.mark.skipif(
    not os.environ.get("CI") or not shutil.which("npx"), reason="fetched by npx, in CI only, where there is node"
)


def test_it_is_valid_openapi_31(document):
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.fixture
def lint(document, tmp_path):
    """Run a linter over the document; returns what it printed as JSON, and is left out when npm cannot be reached."""
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    environment = {**os.environ, "npm_config_fetch_retries": "0", "REDOCLY_TELEMETRY": "off"}

    def lint(*command: str):
        try:
            ended = subprocess.run(
                ["npx", "--yes", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            pytest.skip("npm did not come in time")
        if "npm error" in ended.stderr:
            pytest.skip("npm cannot be reached")
        return json.loads(ended.stdout)

    return lint


@in_ci
def test_redocly_finds_nothing(lint):
    found = lint(REDOCLY, "lint", "openapi.json", "--format", "json")
    assert [(problem["ruleId"], problem["message"]) for problem in found["problems"]] == []


@in_ci
def test_spectral_finds_nothing(lint):
    found = lint(SPECTRAL, "lint", "openapi.json", "--format", "json", "--quiet")
    assert [(problem["code"], problem["message"]) for problem in found] == []
