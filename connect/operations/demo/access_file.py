"""`$DATA_DIR/demo.json`: what somebody needs to use the running demo. Its owner alone can read it.

While the demo starts, the file of the last start lies beside it under another name, so that whoever waits for
`demo.json` never reads a password that has just been changed.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "demo.json"
LAST_NAME = "demo.last.json"


@dataclass(frozen=True)
class Access:
    """Addresses, and the secrets that are shown to nobody else."""

    base_url: str
    api_key: str
    admin_url: str
    admin_user: str
    admin_password: str
    example_app_url: str
    webhook_secret: str


def put_aside(folder: Path) -> dict:
    """Move the last start's file out of the way; returns what it said, or {}."""
    current, last = folder / NAME, folder / LAST_NAME
    if current.exists():
        current.replace(last)
    try:
        return json.loads(last.read_text())
    except (OSError, ValueError):
        return {}


def write(folder: Path, access: Access) -> Path:
    """Write the file in one step, readable by its owner only."""
    draft = folder / f"{NAME}.{os.getpid()}"
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(access), file, indent=2)
        file.write("\n")
    draft.replace(folder / NAME)
    (folder / LAST_NAME).unlink(missing_ok=True)
    return folder / NAME
