"""Connections: tokens only while active, refreshes that come round, revocations that end."""

from django.db.models import Q, QuerySet
from django.utils import timezone

from connect.operations.verify.findings import Check, overdue
from portals.models import Connection, Revocation

ACTIVE = Connection.Status.ACTIVE


def tokens_of_the_inactive() -> QuerySet:
    held = ~Q(access_token=None) | ~Q(refresh_token=None) | ~Q(previous_refresh_token=None)
    return Connection.objects.exclude(status=ACTIVE).filter(held)


def active_without_token() -> QuerySet:
    return Connection.objects.filter(status=ACTIVE, access_token=None)


def never_refreshed() -> QuerySet:
    """Active, and nothing will ever look at them again."""
    return Connection.objects.filter(status=ACTIVE, refresh_due_at=None)


def never_pulled() -> QuerySet:
    """Active, with neither an open pull nor a time for the next one."""
    waiting = Connection.objects.filter(pulls__status__in=["queued", "running", "waiting"])
    return Connection.objects.filter(status=ACTIVE, next_pull_at=None, updated_at__lt=overdue()).exclude(
        pk__in=waiting.values("pk")
    )


def access_past_its_end() -> QuerySet:
    return Connection.objects.filter(status=ACTIVE, access_ends_at__lt=overdue())


def ended_without_reason() -> QuerySet:
    ended = Connection.objects.filter(status__in=[Connection.Status.REFRESH_FAILED, Connection.Status.EXPIRED])
    return ended.filter(failure_code=None)


def settled_revocations_with_token() -> QuerySet:
    return Revocation.objects.exclude(settled_at=None).exclude(token=None)


def revocations_without_end() -> QuerySet:
    return Revocation.objects.filter(settled_at=None, created_at__lt=timezone.now() - 2 * Revocation.LIFETIME)


CHECKS = (
    Check(
        "tokens-of-the-living", "Only active connections hold tokens.", tokens_of_the_inactive,
        "The constraint `only_active_connections_hold_tokens` is missing: run `manage.py migrate`, and disconnect them.",
    ),
    Check(
        "active-has-token", "An active connection holds an access token.", active_without_token,
        "It cannot be used: disconnect it, and ask the patient to connect again.",
    ),
    Check(
        "refresh-comes-round", "An active connection has a time for its next refresh or its end.", never_refreshed,
        "Refresh it by hand in the admin (Connections → Refresh now).",
    ),
    Check(
        "pull-comes-round", "An active connection has an open pull, or a time for the next.", never_pulled,
        "Start a pull by hand in the admin (Connections → Pull now).",
    ),
    Check(
        "access-in-time", "No access goes on past its known end.", access_past_its_end,
        "The sweep `portals.end_due` does not run: see /health/ready for beat and the worker of queue `refresh`.",
    ),
    Check(
        "ends-explained", "A connection that ended by itself says why.", ended_without_reason,
        "See the connection's audit log.",
    ),
    Check(
        "revoked-and-forgotten", "A settled revocation keeps no token.", settled_revocations_with_token,
        "Something wrote the row past its own methods; clear the token of the rows named.",
    ),
    Check(
        "revocations-end", "No revocation is tried for over two weeks.", revocations_without_end,
        "The sweep `portals.revoke_due` does not run: see /health/ready for beat and the worker of queue `refresh`.",
    ),
)  # fmt: skip
