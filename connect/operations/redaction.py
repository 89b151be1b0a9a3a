"""Payloads for eyes that may not see personal data: the shape and our own words stay, every other value is hidden."""

HIDDEN = "•••"
# Ids, states and counts of ours: they say nothing about a person.
SHOWN = frozenset(
    ("id", "resource_type", "object", "status", "connection_id", "patient_flow_id", "pull_id", "failure_code",
     "failure_at", "created_at", "updated_at", "completed_at", "expires_at", "total", "errors", "duration_ms",
     "manifest_sha256", "reconnected", "scopes", "webhook_endpoint_id", "sequence", "renewable")
)  # fmt: skip


def redacted(value, *, name: str = ""):
    """The same JSON structure with every value hidden but those under names that are safe to show."""
    if isinstance(value, dict):
        return {key: redacted(inner, name=key) for key, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner, name=name) for inner in value]
    if value is None or isinstance(value, bool) or name in SHOWN:
        return value
    return HIDDEN
