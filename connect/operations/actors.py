"""Who acts, for the audit log."""

from connect.audit.actions import Actor


def staff_actor(request, username: str | None = None) -> Actor:
    """Who to name for a request of a signed-in member of staff."""
    return Actor("staff", username or request.user.get_username(), request.META.get("REMOTE_ADDR"))
