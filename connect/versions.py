"""API versions by date. A request may name one; else the key's pinned version holds (contract 1)."""

from connect.errors import UnsupportedApiVersion

CURRENT = "2026-04-25"
KNOWN = (CURRENT,)
HEADER = "Version"


def resolve(requested: str | None, pinned: str) -> str:
    """The version to answer in; raises UnsupportedApiVersion for one we never published."""
    if requested is None:
        return pinned
    if requested not in KNOWN:
        raise UnsupportedApiVersion(f"Unknown version; known: {', '.join(KNOWN)}")
    return requested
