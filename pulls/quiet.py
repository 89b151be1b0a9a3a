"""When a pull may run: a portal's quiet hours, and the schedule's spread."""

import random
from datetime import datetime, timedelta

from django.conf import settings

from portals.models import Connection

SPREAD = 0.05


def next_pull_time(connection: Connection, now: datetime) -> datetime:
    """The next scheduled pull: the source's interval, else the organisation's, else the installation's (24 h); spread
    by ±5 % so that a morning's connections do not stay a crowd."""
    source, organization = connection.source, connection.organization
    seconds = (
        source.overrides.get("pull_interval_seconds")
        or organization.pull_interval_seconds
        or settings.PULL_INTERVAL_SECONDS
    )
    due = now + timedelta(seconds=seconds * random.uniform(1 - SPREAD, 1 + SPREAD))
    return after_quiet_hours(source.overrides.get("quiet_hours"), due)


def after_quiet_hours(quiet_hours: list | None, at: datetime) -> datetime:
    """`at`, or the end of the quiet hours it falls in: `[first, last]` in UTC, [22, 6] is 22:00–06:00."""
    if not quiet_hours:
        return at
    first, last = quiet_hours
    inside = first <= at.hour < last if first <= last else at.hour >= first or at.hour < last
    if not inside:
        return at
    end = at.replace(hour=last, minute=0, second=0, microsecond=0)
    return end if end > at else end + timedelta(days=1)
