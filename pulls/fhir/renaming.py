"""A resource under another id, its references with it: what a server that keeps many sources' records needs.

Ids are one portal's own. Nothing else of the text changes.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable

from pulls.fhir import scan
from pulls.fhir.references import normalise

LINK = re.compile(rb'"(reference|url)"(\s*:\s*)("(?:[^"\\]|\\.)*+")', re.DOTALL)
Rename = Callable[[str, str], str]


def derived_id(source_id: str, resource_type: str, resource_id: str) -> str:
    """A FHIR id that is the same for the same resource of the same source, and for no other."""
    digest = hashlib.sha256(f"{source_id}\n{resource_type}/{resource_id}".encode()).digest()
    return base64.b32encode(digest[:25]).decode().lower()


def renamed(raw: bytes, *, id: str, base: str, rename: Rename) -> bytes:
    """The text with `id` for its own id and `Type/rename(Type, id)` for every reference to this server."""
    raw = LINK.sub(lambda match: _relinked(match, base, rename), raw)
    for key, start, end in scan.members(raw):
        if key == "id":
            return raw[:start] + json.dumps(id).encode() + raw[end:]
    return raw


def _relinked(match: re.Match[bytes], base: str, rename: Rename) -> bytes:
    try:
        text = json.loads(match[3])
    except ValueError:
        return match[0]
    found = normalise(text, base)
    if found is None or not found.type or (match[1] == b"url" and found.type != "Binary"):
        return match[0]
    target = json.dumps(f"{found.type}/{rename(found.type, found.id)}").encode()
    return b'"%s"%s%s' % (match[1], match[2], target)
