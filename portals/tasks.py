"""Doorways for workers."""

from contextlib import suppress

from celery import shared_task

from portals import clock, probing, revoke, sweep
from portals import fetch_logos as logo_fetching
from portals import refresh as refreshing
from portals.directory import asked
from portals.preflight import run as preflights
from portals.smart.errors import SmartError


@shared_task(name="portals.refresh_due")
def refresh_due() -> None:
    """Refresh every connection that is due."""
    if sweep.refresh_due():
        refresh_due.delay()


@shared_task(name="portals.refresh")
def refresh(connection_id: str) -> None:
    """Refresh one connection, if it is due."""
    with suppress(SmartError):  # the row says why, and when it is tried again
        refreshing.refresh_connection(connection_id)


@shared_task(name="portals.end_due")
def end_due() -> None:
    """End access whose time is over, and announce what ends soon."""
    sweep.end_due()


@shared_task(name="portals.revoke_due")
def revoke_due() -> None:
    """Give tokens back to their portals."""
    if revoke.revoke_due():
        revoke_due.delay()


@shared_task(name="portals.live_through")
def live_through(connection_id: str) -> None:
    """Let a sandbox connection live through the time it was given."""
    clock.live_through(connection_id)


@shared_task(name="portals.fetch_logos")
def fetch_logos() -> None:
    """Fetch the logos that are due."""
    logo_fetching.fetch_due()


@shared_task(name="portals.live_through_due")
def live_through_due() -> None:
    """The sandbox connections whose message was lost."""
    for connection_id in sweep.to_live_through():
        clock.live_through(connection_id)


@shared_task(name="portals.probe_due")
def probe_due() -> None:
    """Look at the discovery documents that are due."""
    if probing.probe_due():
        probe_due.delay()


@shared_task(name="portals.plan_preflights")
def plan_preflights() -> None:
    """Give registrations and sources that are new to each other a check that is due."""
    preflights.plan_missing()


@shared_task(name="portals.preflight_due")
def preflight_due() -> None:
    """Check the registrations that are due."""
    if preflights.preflight_due():
        preflight_due.delay()


@shared_task(name="portals.update_directories")
def update_directories() -> None:
    """Compare and import the lists that people asked for."""
    asked.work_due()
