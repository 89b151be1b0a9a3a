"""Where the published lists lie: third-party data, read in place, absent on most machines."""

from pathlib import Path

import pytest

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "data" / "directory"


@pytest.fixture(scope="session")
def lantern() -> Path:
    """The real list of 48,363 rows."""
    path = PUBLISHED / "lantern" / "lantern-endpoints.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture(scope="session")
def brands_examples() -> Path:
    """The four example bundles of the SMART implementation guide."""
    path = PUBLISHED / "brands-examples"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path
