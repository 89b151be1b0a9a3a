"""The documentation site: static files that `make docs` built from `docs/`, served below `/docs/`.

The generator writes a few small scripts into each page. The policy of such a page names exactly those, by hash, so that
no other inline script runs on our origin.
"""

import base64
import hashlib
import re
from pathlib import Path

from django.conf import settings
from django.utils._os import safe_join

INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\b(?:src|type)=)[^>]*>(.*?)</script>", re.DOTALL)


def is_built() -> bool:
    return (settings.DOCS_ROOT / "index.html").is_file()


def find(path: str) -> Path | None:
    """The file behind `/docs/{path}`, a folder's being its `index.html`; None when there is none.

    Raises SuspiciousFileOperation for a path that leads out of the site.
    """
    found = Path(safe_join(settings.DOCS_ROOT, path))
    if found.is_dir():
        found /= "index.html"
    return found if found.is_file() else None


def script_hashes(html: bytes) -> list[str]:
    """`'sha256-…'` of every inline script of the page, each once."""
    digests = (hashlib.sha256(script).digest() for script in INLINE_SCRIPT.findall(html))
    return list(dict.fromkeys(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests))
