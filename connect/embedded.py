"""Secrets for a laptop: made once and kept in `DATA_DIR/secrets.json`, readable by its owner only."""

import base64
import json
import os
import secrets
from pathlib import Path


def new_secrets() -> dict[str, str]:
    """A fresh Django secret key and a fresh sealing key (`<key id>:<base64 of 32 bytes>`)."""
    return {
        "secret_key": secrets.token_urlsafe(50),
        "sealing_key": f"{secrets.token_hex(4)}:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }


def embedded_secrets(data_dir: Path) -> dict[str, str]:
    """Read the installation's secrets, making them on the first start.

    Two processes may start at once: each writes its own file and links it into place, and the first link wins.
    """
    path = data_dir / "secrets.json"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f"secrets.{os.getpid()}.{secrets.token_hex(4)}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(new_secrets(), file)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return json.loads(path.read_text())


if __name__ == "__main__":
    made = new_secrets()
    print(f"SECRET_KEY={made['secret_key']}\nSEALING_KEYS={made['sealing_key']}")
