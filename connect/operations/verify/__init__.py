"""`manage.py verify`: everything that must be true of a running installation, looked up in its rows.

One module a subject, each with a table of checks. A check looks and changes nothing; it names rows by id, never by what
they hold.
"""

from collections.abc import Iterator

from connect.operations.verify import access, audit, events, flows, pulls, secrets, tenancy, work
from connect.operations.verify.findings import Check, Finding

CHECKS: tuple[Check, ...] = (
    *tenancy.CHECKS, *secrets.CHECKS, *flows.CHECKS, *access.CHECKS, *pulls.CHECKS, *events.CHECKS, *work.CHECKS,
    *audit.CHECKS,
)  # fmt: skip


def verify(names: list[str] | None = None) -> Iterator[Finding]:
    """Run the checks (all, or those named) one after the other; each gives one finding, good or bad."""
    for check in CHECKS:
        if not names or check.name in names:
            yield check.look()
