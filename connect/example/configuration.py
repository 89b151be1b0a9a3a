"""What an integrator configures: the API's address, its key, the secret its webhooks are signed with.

`EXAMPLE_API_URL`, `EXAMPLE_API_KEY`, `EXAMPLE_WEBHOOK_SECRET` and `EXAMPLE_DATA_DIR` say it; without them, the
`demo.json` under `DATA_DIR` does.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Configuration:
    api_url: str
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    data_dir: Path


class NotConfigured(Exception):
    """There is no API key to call with."""


def read() -> Configuration:
    """The configuration of this moment. Raises NotConfigured."""
    folder = Path(os.environ.get("DATA_DIR", "var"))
    written = {} if "EXAMPLE_API_KEY" in os.environ else _demo_file(folder)
    key = os.environ.get("EXAMPLE_API_KEY", written.get("api_key", ""))
    if not key:
        raise NotConfigured
    return Configuration(
        api_url=os.environ.get("EXAMPLE_API_URL", written.get("base_url", "")).rstrip("/"),
        api_key=key,
        webhook_secret=os.environ.get("EXAMPLE_WEBHOOK_SECRET", written.get("webhook_secret", "")),
        data_dir=Path(os.environ.get("EXAMPLE_DATA_DIR", folder / "example")),
    )


def _demo_file(folder: Path) -> dict:
    try:
        return json.loads((folder / "demo.json").read_text())
    except (OSError, ValueError):
        return {}
